import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { silentLogger, systemClock, systemRandom, type Logger } from '@volplane/base';
import type { VolplaneApi } from '@volplane/engine';
import { fakeApi, FakeCluster, fakeDriver, waitFor, type FakeNode } from '@volplane/testkit';
import { CsiServer, type CsiServerOptions } from '../../src/csi-server.js';
import { CSI_DEFAULTS, type CsiOptions } from '../../src/options.js';
import type { CsiCode } from '../../src/status.js';
import type { WireSnapshot, WireVolume } from '../../src/messages.js';
import { CsiClient, CsiRefusal, type Answers, type Method } from './csi-client.js';
import { FakeNodeHost } from './fake-node-host.js';

export const GLOBAL = fakeDriver('shared');
export const LOCAL = fakeDriver('local', { scope: 'local' });
/** Can do nothing but exist. */
export const PLAIN = fakeDriver('plain', { size: false, expand: false, snapshot: false, clone: false, block: false });

export const MIB = 2 ** 20;

/** A fault reaches the caller as a bare INTERNAL: the log of the test run says what it was. */
const LOUD_ABOUT_FAULTS: Logger = {
  ...silentLogger,
  error: (message, fields) => {
    console.error(message, fields);
  },
};

export interface CsiWorldOptions {
  readonly nodes?: readonly FakeNode[];
  readonly options?: Partial<CsiOptions>;
  readonly limits?: CsiServerOptions['limits'];
  /** Serve the Node service too, for the first node; default true. */
  readonly withNode?: boolean;
  /** Where faults are told; default: the output of the test run. */
  readonly log?: Logger;
  /** Go on with these: a plugin that was started again. */
  readonly cluster?: FakeCluster;
  readonly host?: FakeNodeHost;
  /** What listDrivers waits for. */
  readonly hangingDrivers?: Promise<void>;
  /** What mountVolume waits for, called by the controller. */
  readonly hangingMounts?: Promise<void>;
  /** The same, called by the node. */
  readonly hangingNodeMounts?: Promise<void>;
}

/** An all-in-one plugin on a real socket over a cluster in memory, and a client of it. */
export class CsiWorld {
  readonly cluster: FakeCluster;
  readonly host: FakeNodeHost;
  readonly server: CsiServer;
  readonly client: CsiClient;
  readonly folder: string;

  private constructor(parts: { cluster: FakeCluster; host: FakeNodeHost; server: CsiServer; folder: string }) {
    this.cluster = parts.cluster;
    this.host = parts.host;
    this.server = parts.server;
    this.folder = parts.folder;
    this.client = new CsiClient(parts.server.path);
  }

  static async open(world: CsiWorldOptions = {}): Promise<CsiWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'csi-'));
    const nodes = world.nodes ?? [
      { name: 'n1', labels: { zone: 'a' }, drivers: [GLOBAL, LOCAL, PLAIN] },
      { name: 'n2', labels: { zone: 'b' }, drivers: [GLOBAL, LOCAL, PLAIN] },
    ];
    const cluster = world.cluster ?? new FakeCluster({ nodes });
    const host = world.host ?? new FakeNodeHost();
    const [first] = nodes;
    if (first === undefined) throw new Error('a world needs a node');
    const server = await CsiServer.open({
      endpoint: `unix://${join(folder, 'csi.sock')}`,
      options: { ...CSI_DEFAULTS, vendorVersion: '1.2.3', defaultDriver: 'shared', topologyLabels: ['zone'], ...world.options },
      clock: systemClock,
      random: systemRandom,
      log: world.log ?? LOUD_ABOUT_FAULTS,
      controller: { api: hanging(fakeApi(cluster), { listDrivers: world.hangingDrivers, mountVolume: world.hangingMounts }) },
      ...(world.withNode === false
        ? {}
        : {
            node: {
              api: hanging(fakeApi(cluster, first.name), { mountVolume: world.hangingNodeMounts }),
              host,
              node: { name: first.name, labels: first.labels ?? {} },
            },
          }),
      limits: { retryMs: 0, ...world.limits },
    });
    return new CsiWorld({ cluster, host, server, folder });
  }

  async close(): Promise<void> {
    this.client.close();
    await this.server.close();
    await rm(this.folder, { recursive: true });
  }

  call<M extends Method>(method: M, request: object = {}, options: { readonly timeoutMs?: number } = {}): Promise<Answers[M]> {
    return this.client.call(method, request, options);
  }

  /** The refusal that the call meets. */
  async refused(code: CsiCode, method: Method, request: object = {}, options: { readonly timeoutMs?: number } = {}): Promise<CsiRefusal> {
    try {
      const answer = await this.call(method, request, options);
      expect.fail(`${method} was answered with ${JSON.stringify(answer)}, expected ${code}`);
    } catch (error) {
      if (!(error instanceof CsiRefusal)) throw error;
      expect(error.code, error.message).to.equal(code);
      expect(error.message.length, 'the message is for people').to.be.greaterThan(code.length + 10);
      return error;
    }
  }

  /** A new volume; the id and all. */
  async createVolume(name: string, more: object = {}): Promise<WireVolume> {
    const { volume } = await this.call('CreateVolume', {
      name,
      volume_capabilities: [mount()],
      capacity_range: { required_bytes: 16 * MIB },
      ...more,
    });
    return volume;
  }

  async createSnapshot(name: string, volume: WireVolume): Promise<WireSnapshot> {
    const { snapshot } = await this.call('CreateSnapshot', { name, source_volume_id: volume.volume_id });
    return snapshot;
  }

  /** A volume staged and published on n1 the way Kubernetes does it. */
  async publish(volume: WireVolume, target = '/pods/p1/mount', more: object = {}): Promise<void> {
    const capability = { volume_capability: mount() };
    await this.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n1', ...capability });
    await this.call('NodeStageVolume', { volume_id: volume.volume_id, staging_target_path: '/stage', ...capability });
    await this.call('NodePublishVolume', {
      volume_id: volume.volume_id,
      staging_target_path: '/stage',
      target_path: target,
      ...capability,
      ...more,
    });
  }

  /** Waits until what is looked for at the start has been cleared away. */
  async untilSwept(isSwept: () => boolean): Promise<void> {
    await waitFor(isSwept, { what: 'stale targets are forgotten' });
  }

  /** The mount ids by which n1 uses the volume. */
  uses(volume: WireVolume, node = 'n1'): readonly string[] {
    const [name] = volume.volume_id.split(':');
    const record = this.cluster.find(name ?? '', node);
    return [...(record?.held.get(this.cluster.node(node).name)?.mountIds ?? [])];
  }
}

/** The API, with methods that wait before they begin. */
function hanging(api: VolplaneApi, until: Partial<Record<keyof VolplaneApi, Promise<void> | undefined>>): VolplaneApi {
  return {
    ...api,
    listDrivers: async (...args) => {
      await until.listDrivers;
      return await api.listDrivers(...args);
    },
    mountVolume: async (...args) => {
      await until.mountVolume;
      return await api.mountVolume(...args);
    },
  };
}

/** A capability to mount; `mode` by its number in csi.proto. */
export function mount(mode = 1, more: object = {}): object {
  return { mount: more, access_mode: { mode } };
}

export function block(mode = 1): object {
  return { block: {}, access_mode: { mode } };
}
