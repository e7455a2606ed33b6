import type { Clock } from '@volplane/base';

/** Ends a turn. Whoever had none does nothing with it. */
export type EndTurn = (outcome: 'went-on' | 'failed') => void;

/**
 * One change of a key at a time in this process. Of many that decide on the same revision one wins, and every other costs a commit for
 * nothing, again at each attempt: of 20 nodes that mounted one volume at once, 12 were refused.
 *
 * Taking turns only saves work; the compare in the store decides. So nobody waits long: not behind a store that fails or is slow.
 */
export class CommitTurns {
  readonly #clock: Clock;
  /** Of each key whose turn somebody has: who waits, in order. */
  readonly #waiting = new Map<string, Set<Waiter>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The number of keys whose turn somebody has. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when it is the caller's turn, or when he shall go on without one. He calls what he gets, once. */
  async take(key: string): Promise<EndTurn> {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, new Set());
    else if (waiting.size >= WAITING_MAX || !(await this.#wait(waiting))) return HAD_NONE;
    return (outcome) => {
      this.#end(key, outcome);
    };
  }

  /** @returns true when the turn was handed over */
  #wait(waiting: Set<Waiter>): Promise<boolean> {
    return new Promise((resolve) => {
      const waiter: Waiter = (hasTurn) => {
        cancel();
        waiting.delete(waiter);
        resolve(hasTurn);
      };
      const cancel = this.#clock.after(WAIT_MS_MAX, () => {
        waiter(false);
      });
      waiting.add(waiter);
    });
  }

  #end(key: string, outcome: 'went-on' | 'failed'): void {
    const waiting = this.#waiting.get(key) ?? NOBODY;
    if (outcome === 'went-on') {
      const [next] = waiting;
      // The key stays taken for the next one.
      if (next !== undefined) {
        next(true);
        return;
      }
    }
    this.#waiting.delete(key);
    for (const waiter of [...waiting]) waiter(false);
  }
}

type Waiter = (hasTurn: boolean) => void;

const HAD_NONE: EndTurn = () => undefined;
const NOBODY: ReadonlySet<Waiter> = new Set();

/** Some hundred commits; a store that is slower than that is no faster for being asked one by one. */
const WAIT_MS_MAX = 2_000;

/** More than are worked off in that time. */
const WAITING_MAX = 2_000;
