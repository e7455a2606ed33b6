import { join } from 'node:path';
import { expect } from 'chai';
import { waitFor } from '@volplane/testkit';
import { CsiRefusal, type CsiClient } from '../../../packages/csi/test/support/csi-client.js';
import type { CsiCluster } from './csi-cluster.js';

/** A volume by its id, as a part of a request. */
export interface VolumeRef {
  readonly volume_id: string;
}

export const MIB = 2 ** 20;

/** A file system on one node, read and written. */
export const SINGLE = { volume_capability: { mount: {}, access_mode: { mode: 1 } } };

/** Uses volumes of a cluster the way Kubernetes does, with a folder for each pod. */
export class VolumeUser {
  readonly #cluster: CsiCluster;
  readonly #controller: CsiClient;

  constructor(cluster: CsiCluster) {
    this.#cluster = cluster;
    this.#controller = cluster.controller();
  }

  async create(name: string, more: object = {}): Promise<VolumeRef> {
    const wanted = { volume_capabilities: [SINGLE.volume_capability], capacity_range: { required_bytes: 16 * MIB } };
    const { volume } = await this.#controller.call('CreateVolume', { name, ...wanted, ...more });
    return { volume_id: volume.volume_id };
  }

  async delete(volume: VolumeRef): Promise<void> {
    await this.#controller.call('DeleteVolume', volume);
  }

  /** Where the pod of this name sees its volume. */
  target(pod: string): string {
    return join(this.#cluster.folder, 'pods', pod, 'mount');
  }

  async attach(volume: VolumeRef, node = 'n1', how: object = SINGLE): Promise<void> {
    await this.#controller.call('ControllerPublishVolume', { ...volume, node_id: node, ...how });
  }

  /** Attaches, stages and publishes. */
  async publish(volume: VolumeRef, pod: string, node = 'n1', how: object = SINGLE): Promise<void> {
    await this.attach(volume, node, how);
    const staged = { ...volume, staging_target_path: this.#staging(pod), ...how };
    await this.#cluster.node(node).call('NodeStageVolume', staged);
    await this.#cluster.node(node).call('NodePublishVolume', { ...staged, target_path: this.target(pod) });
  }

  async unpublish(volume: VolumeRef, pod: string, node = 'n1'): Promise<void> {
    await this.leaveNode(volume, pod, node);
    await this.detach(volume, node);
  }

  /** Unpublishes and unstages. */
  async leaveNode(volume: VolumeRef, pod: string, node = 'n1'): Promise<void> {
    const client = this.#cluster.node(node);
    await repeated('NodeUnpublishVolume', () => client.call('NodeUnpublishVolume', { ...volume, target_path: this.target(pod) }));
    const staging = { staging_target_path: this.#staging(pod) };
    await repeated('NodeUnstageVolume', () => client.call('NodeUnstageVolume', { ...volume, ...staging }));
  }

  async detach(volume: VolumeRef, node = 'n1'): Promise<void> {
    await repeated('ControllerUnpublishVolume', () => this.#controller.call('ControllerUnpublishVolume', { ...volume, node_id: node }));
  }

  #staging(pod: string): string {
    return join(this.#cluster.folder, 'staging', pod);
  }
}

/** As orchestrators do: a volume is busy while a process that was just started still has a copy of all mounts. */
export async function repeated(method: string, call: () => Promise<unknown>): Promise<void> {
  await waitFor(async () => (await call()) !== undefined, { what: `${method} is answered` });
}

/** The refusal that the call meets. */
export async function refusalOf(work: Promise<unknown>): Promise<CsiRefusal> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CsiRefusal) return error;
    throw error;
  }
  return expect.fail('the call was not refused');
}
