import { setMaxListeners } from 'node:events';
import { dirname } from 'node:path';
import { AppError } from '@volplane/base';
import { bootMs } from '@volplane/host';
import { waitFor } from '@volplane/testkit';
import { Caller } from './caller.js';
import { callContext, FaultCluster } from './fault-cluster.js';
import { HistoryFile, type VolumePlan } from './history.js';
import { Injector } from './injector.js';
import { readStorage } from './read-storage.js';
import { freeOrphans, Users, Worker } from './worker.js';

export interface RunOptions {
  readonly seed: number;
  readonly faults: number;
  readonly managers: number;
  readonly nodes: number;
  readonly workers: number;
  readonly ttlMs: number;
  /** Where the history goes, and beside it the logs of the processes. */
  readonly file: string;
  readonly say: (line: string) => void;
}

/**
 * One run: starts the cluster, lets workers use it while faults are injected, waits until everything is at rest, reads the storage. The history
 * is in the file when it resolves; {@link violations} judges it.
 *
 * @returns false when `signal` broke it off: everything is ended, and there is nothing to judge
 */
export async function runFaults(options: RunOptions, signal: AbortSignal): Promise<boolean> {
  const { seed, ttlMs, say } = options;
  const startedMs = bootMs();
  const history = new HistoryFile(options.file);
  let cluster: FaultCluster | undefined;
  try {
    history.add({ type: 'run', seed, ttlMs, volumes: PLANS });
    cluster = await FaultCluster.start(
      { managers: options.managers, nodes: options.nodes, ttlMs, logFolder: dirname(options.file) },
      signal,
    );
    say(`${String(options.managers)} managers and ${String(options.nodes)} nodes serve`);
    const users = new Users();
    await workUnderFaults(options, { cluster, history, users }, signal);
    if (signal.aborted) return false;
    say('the faults are over');
    cluster.startAll();
    await cluster.settled();
    const caller = new Caller({ clients: cluster.managers.map(({ client }) => client), history, seed, signal: NEVER, halt: NEVER });
    for (const plan of PLANS) await settle(plan, { caller, users, history });
    const restarts = [...cluster.managers.map(({ process }) => process), ...cluster.nodes.map(({ agent }) => agent)].reduce(
      (sum, each) => sum + each.restarts,
      0,
    );
    await cluster.stopProcesses();
    for (const event of await readStorage(cluster.storage, cluster.scratch)) history.add(event);
    history.add({ type: 'end', tookMs: bootMs() - startedMs, orphans: users.orphans, restarts });
    return true;
  } finally {
    await cluster?.stop();
    history.close();
  }
}

async function workUnderFaults(
  options: RunOptions,
  parts: { readonly cluster: FaultCluster; readonly history: HistoryFile; readonly users: Users },
  signal: AbortSignal,
): Promise<void> {
  const { seed } = options;
  const { cluster, history, users } = parts;
  const over = new AbortController();
  const workEnds = AbortSignal.any([signal, over.signal]);
  // Every worker sleeps and waits on it.
  setMaxListeners(options.workers * 4, workEnds);
  const injector = new Injector({ cluster, history, seed, count: options.faults, ttlMs: options.ttlMs, say: options.say });
  const work = Array.from({ length: options.workers }, (_, index) => {
    const number = index + 1;
    const caller = new Caller({
      clients: cluster.managers.map(({ client }) => client),
      history,
      seed: seed * 7_919 + number,
      signal: workEnds,
      halt: signal,
    });
    const silentSince = (node: string): number | undefined => injector.silentSince(node);
    return new Worker({ number, seed, plans: PLANS, nodes: cluster.nodes, caller, history, users, silentSince }).run(workEnds);
  });
  // A worker that fails ends the run at once, not after the last fault.
  const failed = Promise.all(work).then(
    () => undefined,
    (error: unknown) => {
      over.abort();
      throw error;
    },
  );
  const injected = injector.run(workEnds).finally(() => {
    over.abort();
  });
  await Promise.all([injected, failed]);
}

/** Every caller has gone and everything works: the volume becomes free, and what is in its way is its own fault. */
async function settle(
  plan: VolumePlan,
  parts: { readonly caller: Caller; readonly users: Users; readonly history: HistoryFile },
): Promise<void> {
  const { caller, history } = parts;
  try {
    await waitFor(
      async () => {
        try {
          const { volume, holders } = await caller.anyClient().explainVolume({ name: plan.name }, callContext());
          for (const { attachment, mountIds } of holders)
            await freeOrphans(parts, plan.name, attachment.node, mountIds ?? [attachment.claimedFor]);
          return volume.attachments.length === 0 && volume.operation === undefined;
        } catch (error) {
          if (error instanceof AppError && error.reason === 'VOLUME_NOT_FOUND') return true;
          throw error;
        }
      },
      { what: `volume ${plan.name} to be free`, timeoutMs: FREE_MS_MAX },
    );
  } catch (error) {
    history.add({
      type: 'left',
      what: `volume ${plan.name} did not become free: ${error instanceof Error ? error.message : String(error)}`,
    });
  }
}

/** Images under `lease`, which move when their node falls silent; folders under `manual`, which stay; and one that all may write. */
const PLANS: readonly VolumePlan[] = [
  ...['image-a', 'image-b', 'image-c'].map((name): VolumePlan => ({
    name,
    driver: 'image',
    accessMode: 'single-node-writer',
    takeover: 'lease',
    exclusive: true,
  })),
  { name: 'folder-a', driver: 'shared', accessMode: 'single-node-writer', takeover: 'manual', exclusive: true },
  { name: 'folder-all', driver: 'shared', accessMode: 'multi-node-multi-writer', takeover: 'manual', exclusive: false },
];

const NEVER = new AbortController().signal;
const FREE_MS_MAX = 120_000;
