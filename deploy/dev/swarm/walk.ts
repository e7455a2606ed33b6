import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '@volplane/base';
import type { VolumeView } from '@volplane/domain';
import { waitFor } from '@volplane/testkit';
import type { CallContext } from '@volplane/engine';
import type { Swarm } from './swarm.js';

/** One step of the walk: what is done, and what it shows. It throws when it does not show it. */
interface Step {
  readonly title: string;
  readonly run: () => Promise<readonly string[]>;
}

/** Walks through the main job and prints each step. @returns true when every step showed what it should */
export async function walk(swarm: Swarm, say: (line: string) => void): Promise<boolean> {
  let failed = 0;
  for (const [index, step] of steps(swarm).entries()) {
    say('');
    say(`${String(index + 1)}. ${step.title}`);
    try {
      for (const line of await step.run()) say(`   ${line}`);
    } catch (error) {
      failed += 1;
      say(`   FAILED: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  say('');
  say(failed === 0 ? 'Every step showed what it should.' : `${String(failed)} steps failed; the logs are in the swarm's folder.`);
  return failed === 0;
}

function steps(swarm: Swarm): readonly Step[] {
  const [node1, node2] = swarm.addresses.agents.map((agent) => agent.node);
  if (node1 === undefined || node2 === undefined) throw new Error('the walk needs two agents');
  const stage: Stage = { swarm, managers: swarm.managers(), node1, node2, sharedPath: '' };
  return [...beginning(stage), ...sharedVolume(stage), ...localVolume(stage), ...exclusiveVolume(stage), ...ending(stage)];
}

/** What the steps share. */
interface Stage {
  readonly swarm: Swarm;
  readonly managers: ReturnType<Swarm['managers']>;
  readonly node1: string;
  readonly node2: string;
  /** Where the shared volume was mounted; its step sets it. */
  sharedPath: string;
}

function beginning({ swarm, managers }: Stage): readonly Step[] {
  return [
    {
      title: 'Every node registers with the managers over NATS',
      run: async () => {
        const names = await waitFor(
          async () => {
            const { nodes } = await managers.listNodes({ pageSize: 1000 }, context());
            const connected = nodes.filter((node) => node.state === 'connected').map((node) => node.name);
            return connected.length >= swarm.addresses.agents.length && connected;
          },
          { timeoutMs: 30_000, what: 'every node to be connected' },
        );
        return [`connected: ${names.join(', ')}`];
      },
    },
    {
      title: 'Volumes of earlier runs are still there',
      run: async () => {
        const { volumes } = await managers.listVolumes({ pageSize: 1000 }, context());
        await cleanUp(swarm, volumes);
        return [
          volumes.length === 0
            ? 'none: this is the first run, or the last one removed all'
            : `found ${volumes.map((volume) => volume.name).join(', ')}; the walk's own are removed and made again`,
        ];
      },
    },
  ];
}

function sharedVolume(stage: Stage): readonly Step[] {
  const { swarm, managers, node1, node2 } = stage;
  return [
    {
      title: 'Create a global volume: one name for the whole cluster',
      run: async () => {
        const volume = await managers.createVolume({ name: 'walk-shared', driver: 'shared', labels: { made: 'by-the-walk' } }, context());
        expectEqual(volume.phase, 'ready', 'phase');
        return [`${volume.name}: ${volume.phase}, owner ${volume.node}, epoch ${String(volume.epoch)}, ${volume.accessMode}`];
      },
    },
    {
      title: `Mount it on ${node1} and ${node2}, write on one, read on the other`,
      run: async () => {
        const one = await managers.mountVolume({ name: 'walk-shared', node: node1, mountId: 'walk-1' }, context());
        const two = await managers.mountVolume({ name: 'walk-shared', node: node2, mountId: 'walk-2' }, context());
        await writeFile(join(one.path, 'hello'), `written on ${node1}\n`);
        const read = (await readFile(join(two.path, 'hello'), 'utf8')).trim();
        expectEqual(read, `written on ${node1}`, 'what was read');
        stage.sharedPath = one.path;
        return [`${node1}: ${one.path} (epoch ${String(one.epoch)})`, `${node2} reads: "${read}"`];
      },
    },
    {
      title: 'Its document in etcd: who holds it, since when, for whom',
      run: async () => {
        const { stdout } = await promisify(execFile)(
          etcdctl(),
          [`--endpoints=${swarm.addresses.etcd}`, 'get', '/volplane/volumes/walk-shared', '--print-value-only'],
          { env: { ...process.env, ETCDCTL_API: '3' } },
        );
        return JSON.stringify(JSON.parse(stdout), null, 2).split('\n');
      },
    },
  ];
}

function localVolume({ swarm, node1, node2 }: Stage): readonly Step[] {
  const first = swarm.agent(0);
  return [
    {
      title: `A local volume stays on its node: ${node1} serves it without any manager`,
      run: async () => {
        const volume = await first.createVolume({ name: 'walk-local' }, context());
        const mounted = await first.mountVolume({ name: 'walk-local', mountId: 'walk-3' }, context());
        const elsewhere = await refusal(() => swarm.agent(1).getVolume({ name: 'walk-local' }, context()));
        expectEqual(elsewhere.reason, 'VOLUME_NOT_FOUND', `the answer of ${node2}`);
        return [`${volume.name}: scope ${volume.scope}, node ${volume.node}, at ${mounted.path}`, `${node2} says: ${elsewhere.message}`];
      },
    },
  ];
}

function exclusiveVolume({ managers, node1, node2 }: Stage): readonly Step[] {
  return [
    {
      title: 'An exclusive volume: a second writer is refused, with holder and reason',
      run: async () => {
        await managers.createVolume({ name: 'walk-exclusive', driver: 'shared', accessMode: 'single-node-writer' }, context());
        await managers.mountVolume({ name: 'walk-exclusive', node: node1, mountId: 'walk-4' }, context());
        const refused = await refusal(() => managers.mountVolume({ name: 'walk-exclusive', node: node2, mountId: 'walk-5' }, context()));
        expectEqual(refused.reason, 'VOLUME_HELD', 'the refusal');
        expectEqual(refused.failure.fields['holder'], node1, 'the holder');
        return [`${refused.reason}: ${refused.message}`];
      },
    },
    {
      title: 'It is not removed while it is in use',
      run: async () => {
        const refused = await refusal(() => managers.removeVolume({ name: 'walk-exclusive' }, context()));
        expectEqual(refused.reason, 'VOLUME_ATTACHED', 'the refusal');
        return [`${refused.reason}: ${refused.message}`];
      },
    },
  ];
}

function ending(stage: Stage): readonly Step[] {
  const { swarm, managers } = stage;
  return [
    {
      title: 'Unmount and remove; the data goes with the volume',
      run: async () => {
        const { volumes } = await managers.listVolumes({ pageSize: 1000 }, context());
        await cleanUp(swarm, volumes);
        const gone = await refusal(() => managers.getVolume({ name: 'walk-shared' }, context()));
        expectEqual(gone.reason, 'VOLUME_NOT_FOUND', 'the answer');
        await rm(join(stage.sharedPath, 'hello')).then(
          () => {
            throw new Error('the data is still there');
          },
          () => undefined,
        );
        return [gone.message];
      },
    },
  ];
}

/** Unmounts and removes what a walk made. */
async function cleanUp(swarm: Swarm, volumes: readonly VolumeView[]): Promise<void> {
  const managers = swarm.managers();
  for (const volume of volumes.filter((each) => each.name.startsWith('walk-'))) {
    const node = volume.scope === 'local' ? { node: volume.node } : {};
    // Volume by volume: a walk has three.
    for (const attachment of volume.attachments) await unmountAll(swarm, volume.name, attachment.node);
    if (volume.scope === 'local') await unmountAll(swarm, volume.name, volume.node);
    await managers.removeVolume({ name: volume.name, ...node }, context());
  }
}

async function unmountAll(swarm: Swarm, name: string, node: string): Promise<void> {
  const seen = await swarm.managers().getVolume({ name, node }, context());
  for (const mountId of seen.mountIds ?? []) await swarm.managers().unmountVolume({ name, node, mountId }, context());
}

async function refusal(call: () => Promise<unknown>): Promise<AppError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}

/** The program beside the etcd that the swarm runs. */
export function etcdctl(): string {
  const etcd = process.env['VOLPLANE_BIN_ETCD'];
  return process.env['VOLPLANE_BIN_ETCDCTL'] ?? (etcd === undefined ? 'etcdctl' : `${etcd}ctl`);
}

function context(): CallContext {
  // eslint-disable-next-line no-restricted-syntax -- its timer does not keep the process alive, one of the clock would
  return { signal: AbortSignal.timeout(CALL_MS), timeoutMs: CALL_MS };
}

const CALL_MS = 20_000;
