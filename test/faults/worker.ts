import { AppError, seededRandom, sleep, systemClock } from '@volplane/base';
import { bootMs } from '@volplane/host';
import { waitFor } from '@volplane/testkit';
import type { Caller, Mounted } from './caller.js';
import type { ClusterNode } from './cluster-node.js';
import { callContext } from './fault-cluster.js';
import type { HistoryFile, VolumePlan } from './history.js';

export interface WorkerParts {
  readonly number: number;
  readonly seed: number;
  readonly plans: readonly VolumePlan[];
  readonly nodes: readonly ClusterNode[];
  readonly caller: Caller;
  readonly history: HistoryFile;
  readonly users: Users;
  readonly silentSince: (node: string) => number | undefined;
}

/** The mount ids that are in use now, as an engine knows its containers, and the mounts that were found without a user. */
export class Users {
  readonly active = new Set<string>();
  readonly takenOver = new Set<string>();
  orphans = 0;
}

/** One caller among several: makes a volume, mounts it somewhere, writes, unmounts, sometimes removes it, and begins again. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #random: ReturnType<typeof seededRandom>;
  #round = 0;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#random = seededRandom(parts.seed * 1_000 + parts.number);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // One round after the other: a caller waits for its answers.
      await this.#turn(signal);
      await sleep(systemClock, 50 + this.#random.int(300), signal).catch(() => undefined);
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { caller, plans, nodes, number, users } = this.#parts;
    const plan = this.#pick(plans);
    const node = this.#pick(nodes);
    const volume = await caller.create(plan);
    if (volume === undefined) return;
    this.#round += 1;
    const mountId = `c${String(number)}-${String(this.#round)}`;
    users.active.add(mountId);
    try {
      const mounted = await caller.mount({ volume, node: node.name, mountId }, 1_000 + this.#random.int(PATIENCE_MS_MAX), (error) =>
        this.#freeOrphans(plan, error),
      );
      if (mounted !== undefined) await this.#use({ plan, node, mountId, mounted }, signal);
    } finally {
      await caller.unmount(plan.name, node.name, mountId);
      users.active.delete(mountId);
    }
    if (this.#random.int(4) === 0) await caller.remove(volume);
  }

  async #use(
    use: { readonly plan: VolumePlan; readonly node: ClusterNode; readonly mountId: string; readonly mounted: Mounted },
    signal: AbortSignal,
  ): Promise<void> {
    const { plan, node, mountId, mounted } = use;
    const answeredMs = bootMs();
    const head = { writer: mountId, node: node.name, epoch: mounted.epoch };
    node.writers.start(head, { folder: mounted.path, isMount: plan.driver === 'image' });
    if (plan.takeover === 'lease') await this.#noteTakeover(plan, node.name, mounted, answeredMs);
    const untilMs = answeredMs + 300 + this.#random.int(WRITE_MS_MAX);
    // Nobody tells the containers of a node that is out of touch: they write on, until the mount is cut off or the node is back.
    const isOver = (): boolean => bootMs() > untilMs && this.#parts.silentSince(node.name) === undefined;
    await waitFor(() => signal.aborted || node.writers.ended(mountId) || isOver(), { what: 'the end of a use', timeoutMs: USE_MS_MAX });
    this.#parts.history.add(await node.writers.stop(head, plan.name));
  }

  /** What the document says about the grant: whether it was taken from a node that had not released it. */
  async #noteTakeover(plan: VolumePlan, to: string, { epoch }: Mounted, answeredMs: number): Promise<void> {
    const { caller, history, silentSince, users } = this.#parts;
    try {
      const { evidence, volume } = await caller.anyClient().explainVolume({ name: plan.name }, callContext());
      const last = evidence.filter((each) => each.epoch < epoch).sort((one, other) => other.epoch - one.epoch)[0];
      const key = `${volume.uid} ${String(last?.epoch)}`;
      if (last?.kind !== 'C' || users.takenOver.has(key)) return;
      users.takenOver.add(key);
      const sinceMs = silentSince(last.node);
      history.add({
        type: 'takeover',
        volume: plan.name,
        from: last.node,
        to,
        epoch,
        ...(sinceMs === undefined || sinceMs > answeredMs ? {} : { tookMs: answeredMs - sinceMs }),
      });
    } catch (error) {
      // Only the count of takeovers suffers.
      if (!(error instanceof AppError)) throw error;
    }
  }

  /** Ends uses that nobody has, as a door does that can ask its engine which containers there are. */
  async #freeOrphans(plan: VolumePlan, held: AppError): Promise<void> {
    const holder = held.failure.fields['holder'];
    const ids = held.failure.fields['mountIds']?.split(',') ?? [];
    if (typeof holder !== 'string') return;
    await freeOrphans(this.#parts, plan.name, holder, ids);
  }

  #pick<T>(list: readonly T[]): T {
    const item = list[this.#random.int(list.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

/** Unmounts those of the ids that no worker uses. */
export async function freeOrphans(
  { users, caller }: Pick<WorkerParts, 'users' | 'caller'>,
  volume: string,
  node: string,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids.filter((each) => each !== '' && !users.active.has(each))) {
    try {
      // One after the other: there is hardly ever a second.
      await caller.anyClient().unmountVolume({ name: volume, node, mountId: id }, callContext());
      users.orphans += 1;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
}

/** Longer than a session lives, so that some wait for a takeover. */
const PATIENCE_MS_MAX = 12_000;
const WRITE_MS_MAX = 6_000;
/** Longer than any fault. */
const USE_MS_MAX = 120_000;
