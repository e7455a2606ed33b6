import { AppError, systemClock } from '@volplane/base';
import type { VolplaneClient } from '@volplane/rpc';
import { waitFor } from '@volplane/testkit';
import { context, TestCluster } from '../cluster/test-cluster.js';

/** What the death of one of three managers cost the callers that worked meanwhile. */
export interface ManagerLoss {
  readonly calls: number;
  /** Calls that were answered with a failure and made again by their caller, for the caller that had most of them. */
  readonly retriesMax: number;
  readonly medianMs: number;
  /** The longest call, its repetition included. */
  readonly longestMs: number;
}

type Work = (name: string) => Promise<unknown>;

/** Callers create volumes, each through a client that knows all managers, while one of them is killed -9. */
export function measureCreates(): Promise<ManagerLoss> {
  return measure((cluster, caller) => {
    const client = cluster.client(...rotated(cluster.managers, caller));
    return (name) => client.createVolume({ name, driver: 'shared' }, context());
  });
}

/** Callers mount and unmount at an agent, which claims at the managers, while one of them is killed -9. */
export function measureMounts(): Promise<ManagerLoss> {
  return measure(async (cluster, caller) => {
    const agent = cluster.agents[0];
    if (agent === undefined) throw new Error('the cluster has a node');
    const client: VolplaneClient = cluster.client(agent);
    const name = `mounted-${String(caller)}`;
    await client.createVolume({ name, driver: 'shared' }, context());
    return async () => {
      await client.mountVolume({ name, mountId: 'c1' }, context());
      await client.unmountVolume({ name, mountId: 'c1' }, context());
    };
  });
}

async function measure(prepare: (cluster: TestCluster, caller: number) => Work | Promise<Work>): Promise<ManagerLoss> {
  const cluster = await TestCluster.start({ managers: 3, agents: 1 });
  try {
    const callers = await Promise.all(
      Array.from({ length: CALLERS }, async (_, caller) => new Caller(caller, await prepare(cluster, caller))),
    );
    let ended = false;
    const working = Promise.all(callers.map((caller) => caller.run(() => ended)));
    const doneBy = (count: number): Promise<unknown> =>
      waitFor(() => callers.every(({ tookMs }) => tookMs.length >= count), { what: 'every caller to be at work', timeoutMs: 120_000 });
    await doneBy(CALLS_BEFORE);
    await cluster.managers[0]?.kill('SIGKILL');
    const atKill = Math.max(...callers.map(({ tookMs }) => tookMs.length));
    await doneBy(atKill + CALLS_AFTER);
    ended = true;
    await working;
    const tookMs = callers.flatMap((caller) => caller.tookMs).sort((one, other) => one - other);
    return {
      calls: tookMs.length,
      retriesMax: Math.max(...callers.map(({ retries }) => retries)),
      medianMs: tookMs[Math.floor(tookMs.length / 2)] ?? Number.NaN,
      longestMs: tookMs.at(-1) ?? Number.NaN,
    };
  } finally {
    await cluster.stop();
  }
}

class Caller {
  /** Of each call, its repetitions included. */
  readonly tookMs: number[] = [];
  retries = 0;
  readonly #caller: number;
  readonly #work: Work;

  constructor(caller: number, work: Work) {
    this.#caller = caller;
    this.#work = work;
  }

  async run(hasEnded: () => boolean): Promise<void> {
    while (!hasEnded()) {
      const startMs = systemClock.monotonicMs();
      // One call after the other, as one caller makes them.
      await this.#persist(`volume-${String(this.#caller)}-${String(this.tookMs.length)}`);
      this.tookMs.push(systemClock.monotonicMs() - startMs);
    }
  }

  async #persist(name: string): Promise<void> {
    for (;;) {
      try {
        await this.#work(name);
        return;
      } catch (error) {
        if (!(error instanceof AppError) || error.kind !== 'unavailable') throw error;
        this.retries += 1;
      }
    }
  }
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  return items.map((_, index) => items[(index + by) % items.length]).filter((item) => item !== undefined);
}

const CALLERS = 12;
const CALLS_BEFORE = 10;
const CALLS_AFTER = 20;
