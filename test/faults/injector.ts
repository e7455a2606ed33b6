import { seededRandom, sleep, systemClock } from '@volplane/base';
import { bootMs } from '@volplane/host';
import { waitFor } from '@volplane/testkit';
import { callContext, type FaultCluster } from './fault-cluster.js';
import { faultKinds, type FaultKind } from './fault-table.js';
import type { HistoryFile } from './history.js';

type SeededRandom = ReturnType<typeof seededRandom>;

export interface InjectorOptions {
  readonly cluster: FaultCluster;
  readonly history: HistoryFile;
  readonly seed: number;
  readonly count: number;
  readonly ttlMs: number;
  readonly say: (line: string) => void;
}

/** Injects faults in the order that the seed gives, one after the other or overlapping, and ends each. */
export class Injector {
  readonly #options: InjectorOptions;
  readonly #random: SeededRandom;
  readonly #busy = new Set<string>();
  readonly #silentSince = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  #bag: FaultKind[] = [];
  #failure: Error | undefined;

  constructor(options: InjectorOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** Since when the node is silenced by a fault; undefined = it is not. */
  silentSince(node: string): number | undefined {
    return this.#silentSince.get(node);
  }

  /** Resolves when the last fault has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { count, say } = this.#options;
    for (let number = 1; number <= count && !signal.aborted && this.#failure === undefined; number += 1) {
      const gapMs = GAP_MS_MIN + this.#random.int(GAP_MS_SPREAD);
      await sleep(systemClock, gapMs, signal).catch(() => undefined);
      if (this.#running.size >= AT_ONCE_MAX) await Promise.race(this.#running);
      const fault = this.#next();
      say(
        `fault ${String(number)} of ${String(count)}: ${fault.kind.kind} (${fault.target}) for ${String(Math.round(fault.durationMs))} ms`,
      );
      const work = this.#inject(fault, signal)
        .catch((error: unknown) => {
          this.#failure ??= new Error(`fault "${fault.kind.kind}" could not be made or ended`, { cause: error });
        })
        .finally(() => this.#running.delete(work));
      this.#running.add(work);
    }
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #inject({ kind, target, index, durationMs }: Chosen, signal: AbortSignal): Promise<void> {
    const { cluster, history } = this.#options;
    this.#busy.add(target);
    try {
      const fromMs = bootMs();
      if (kind.silences) this.#silentSince.set(target, fromMs);
      await kind.begin(cluster, index);
      await sleep(systemClock, durationMs, signal).catch(() => undefined);
      await kind.end(cluster, index);
      history.add({ type: 'fault', kind: kind.kind, target, fromMs, untilMs: bootMs() });
      await this.#rest(kind, target, signal);
    } finally {
      this.#silentSince.delete(target);
      this.#busy.delete(target);
    }
  }

  /** A moment to come back in: a target that is never up says nothing about the next fault. */
  async #rest(kind: FaultKind, target: string, signal: AbortSignal): Promise<void> {
    await sleep(systemClock, REST_MS, signal).catch(() => undefined);
    if (kind.target !== 'node') return;
    const { managers } = this.#options.cluster;
    await waitFor(
      async () => {
        if (signal.aborted) return true;
        const answers = await Promise.allSettled(managers.map(({ client }) => client.getNode({ name: target }, callContext(1_000))));
        return answers.some((answer) => answer.status === 'fulfilled' && answer.value.state === 'connected');
      },
      { what: `${target} to be in touch again`, timeoutMs: BACK_MS_MAX },
    ).catch((error: unknown) => {
      // Other faults may hold it up.
      this.#options.say(String(error));
    });
  }

  /** From a bag that holds each kind by its weight and is filled again when it is empty, so that every kind has its turn. */
  #next(): Chosen {
    for (;;) {
      if (this.#bag.length === 0) this.#bag = faultKinds().flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
      const place = this.#random.int(this.#bag.length);
      const [kind] = this.#bag.splice(place, 1);
      const free = kind === undefined ? [] : this.#targets(kind).filter(({ target }) => !this.#busy.has(target));
      const chosen = free[this.#random.int(Math.max(1, free.length))];
      if (kind !== undefined && chosen !== undefined) return { kind, ...chosen, durationMs: this.#durationMs(kind) };
    }
  }

  #targets({ target }: FaultKind): readonly { readonly target: string; readonly index: number }[] {
    const { cluster } = this.#options;
    if (target === 'manager') return cluster.managers.map(({ name }, index) => ({ target: name, index }));
    if (target === 'node') return cluster.nodes.map(({ name }, index) => ({ target: name, index }));
    return [{ target, index: 0 }];
  }

  #durationMs({ lasts }: FaultKind): number {
    const { ttlMs } = this.#options;
    const isLong = lasts === 'long' || (lasts === 'either' && this.#random.int(3) > 0);
    return isLong ? ttlMs * 1.3 + this.#random.int(ttlMs / 2) : 300 + this.#random.int(ttlMs / 2);
  }
}

interface Chosen {
  readonly kind: FaultKind;
  readonly target: string;
  readonly index: number;
  readonly durationMs: number;
}

const GAP_MS_MIN = 300;
const GAP_MS_SPREAD = 2_000;
const REST_MS = 500;
const BACK_MS_MAX = 15_000;
/** One more leaves a small cluster hardly ever able to do anything. */
const AT_ONCE_MAX = 3;
