import { join } from 'node:path';
import type { Clock } from '@volplane/base';
import type { Answers, CsiClient, Method } from '../../../packages/csi/test/support/csi-client.js';
import type { WireVolume } from '../../../packages/csi/src/messages.js';

export interface BenchTask {
  /** Where targets are made. */
  readonly folder: string;
  /** Of the volumes' names: another one for each task. */
  readonly prefix: string;
  readonly volumes: number;
  readonly bytes: number;
  /** Calls in flight at once. */
  readonly concurrency: number;
  readonly clock: Clock;
}

/** Takes volumes through their life, each step for all of them. @returns seconds by step; what the plugin does not offer is left out */
export async function measureLife(
  plugin: { readonly node: CsiClient; readonly controller: CsiClient },
  task: BenchTask,
): Promise<ReadonlyMap<string, number>> {
  const { controller, node } = plugin;
  const names = Array.from({ length: task.volumes }, (_, index) => `${task.prefix}-${String(index)}`);
  const made: WireVolume[] = [];
  const seconds = new Map<string, number>();
  const step = async <M extends Method>(
    method: M,
    client: CsiClient,
    request: (name: string, volume: WireVolume | undefined) => object,
  ): Promise<readonly Answers[M][]> => {
    const startMs = task.clock.monotonicMs();
    const answers = await inParallel(names, task.concurrency, (name, index) => client.call(method, request(name, made[index])));
    seconds.set(seconds.has(method) ? `${method} (again)` : method, (task.clock.monotonicMs() - startMs) / 1000);
    return answers;
  };
  const { node_id, accessible_topology } = await node.call('NodeGetInfo', {});
  const attaches = (await controller.call('ControllerGetCapabilities', {})).capabilities.some(({ rpc }) => rpc.type === PUBLISH);
  const stages = (await node.call('NodeGetCapabilities', {})).capabilities.some(({ rpc }) => rpc.type === STAGE);
  const create = (name: string): object => ({
    name,
    capacity_range: { required_bytes: String(task.bytes) },
    volume_capabilities: [CAPABILITY],
    ...(accessible_topology === null ? {} : { accessibility_requirements: { requisite: [accessible_topology] } }),
  });
  const used = (volume: WireVolume | undefined): object => ({
    volume_id: volume?.volume_id,
    volume_context: volume?.volume_context,
    volume_capability: CAPABILITY,
  });
  const staging = (name: string): object => (stages ? { staging_target_path: join(task.folder, 'staging', name) } : {});
  const target = (name: string): object => ({ target_path: join(task.folder, name) });
  const id = (volume: WireVolume | undefined): object => ({ volume_id: volume?.volume_id });
  for (const { volume } of await step('CreateVolume', controller, create)) made.push(volume);
  await step('CreateVolume', controller, create);
  if (attaches) await step('ControllerPublishVolume', controller, (_, volume) => ({ ...used(volume), node_id }));
  if (stages) await step('NodeStageVolume', node, (name, volume) => ({ ...used(volume), ...staging(name) }));
  await step('NodePublishVolume', node, (name, volume) => ({ ...used(volume), ...staging(name), ...target(name) }));
  await step('NodeUnpublishVolume', node, (name, volume) => ({ ...id(volume), ...target(name) }));
  if (stages) await step('NodeUnstageVolume', node, (name, volume) => ({ ...id(volume), ...staging(name) }));
  if (attaches) await step('ControllerUnpublishVolume', controller, (_, volume) => ({ ...id(volume), node_id }));
  await step('DeleteVolume', controller, (_, volume) => id(volume));
  return seconds;
}

async function inParallel<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      // One after the other in each worker: that is the concurrency.
      if (item !== undefined) results[index] = await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}

const CAPABILITY = { mount: {}, access_mode: { mode: 1 } };
/** ControllerServiceCapability: PUBLISH_UNPUBLISH_VOLUME. */
const PUBLISH = 2;
/** NodeServiceCapability: STAGE_UNSTAGE_VOLUME. */
const STAGE = 1;
