import { AppError, type Clock } from '@volplane/base';

/**
 * Which mount ids of the cluster stand for which uses of the engine.
 *
 * An engine calls Mount twice with one id when `docker cp` meets a running container, and later Unmount twice; Volplane
 * keeps mount ids as a set. So every Mount call becomes a member of its own (`docker:ID`, `docker:ID#2`, …) and every
 * Unmount takes one member out: the count is in the durable set and outlives this process, and no Unmount ends the mount
 * while a use is left. Where the number of uses is in doubt (an engine that crashed, live restore, an answer that was
 * lost) a member is kept rather than dropped; the reconciler drops those that the engine no longer has.
 *
 * Plain state: no I/O. One tracker serves one plugin socket, that is one driver.
 */
export class MountUses {
  readonly #clock: Clock;
  readonly #volumes = new Map<string, Map<string, Uses>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The member for one more use, taken from now on. @throws AppError OVERLOADED beyond {@link USES_PER_ID_MAX} */
  add(volume: string, id: string): string {
    const uses = this.#usesOf(volume, id);
    let number = 1;
    while (uses.numbers.has(number)) number += 1;
    if (number > USES_PER_ID_MAX) {
      throw new AppError('OVERLOADED', `mount id ${id} already uses volume ${volume} ${String(USES_PER_ID_MAX)} times`, {
        volume,
        mountId: id,
        retryDelayMs: '1000',
      });
    }
    uses.numbers.set(number, this.#clock.monotonicMs());
    return toMember(id, number);
  }

  /**
   * The member that an Unmount ends: the last one that is known, or the first where none is known (an id from before this
   * process; ending what is not there is harmless). Undefined: this call repeats an Unmount whose answer was lost, so
   * nothing more ends. Two calls at once get the same member: an engine never ends two uses of one id at once.
   */
  findEnding(volume: string, id: string): string | undefined {
    const uses = this.#volumes.get(volume)?.get(id);
    if (uses === undefined || uses.numbers.size === 0) return toMember(id, 1);
    if (uses.repeatUntilMs > this.#clock.monotonicMs()) {
      uses.repeatUntilMs = 0;
      return undefined;
    }
    return toMember(id, Math.max(...uses.numbers.keys()));
  }

  /** The answer to an Unmount of `id` was lost: the next one within the engine's time of repeating is that one again. */
  expectRepeat(volume: string, id: string): void {
    const uses = this.#volumes.get(volume)?.get(id);
    if (uses !== undefined) uses.repeatUntilMs = this.#clock.monotonicMs() + REPEAT_MS;
  }

  /** The member is out of the set. */
  drop(volume: string, member: string): void {
    const parsed = parseMember(member);
    const ids = this.#volumes.get(volume);
    const uses = parsed === undefined ? undefined : ids?.get(parsed.id);
    if (parsed === undefined || ids === undefined || uses === undefined) return;
    uses.numbers.delete(parsed.number);
    if (uses.numbers.size === 0) ids.delete(parsed.id);
    if (ids.size === 0) this.#volumes.delete(volume);
  }

  /** Learns the mount ids that the cluster has for the volume on this node; those of other doors are left out. */
  learn(volume: string, mountIds: readonly string[]): void {
    for (const text of mountIds) {
      const parsed = parseMember(text);
      if (parsed === undefined) continue;
      const { numbers } = this.#usesOf(volume, parsed.id);
      if (!numbers.has(parsed.number)) numbers.set(parsed.number, this.#clock.monotonicMs());
    }
  }

  /** True while the engine has at least one use of the volume: it exists then, whoever else can be asked. */
  holds(volume: string): boolean {
    return this.#volumes.has(volume);
  }

  /** Every member in use with its age, for the reconciler. */
  list(): readonly { readonly volume: string; readonly members: readonly { readonly member: string; readonly ageMs: number }[] }[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#volumes].map(([volume, ids]) => ({
      volume,
      members: [...ids].flatMap(([id, uses]) =>
        [...uses.numbers].map(([number, sinceMs]) => ({ member: toMember(id, number), ageMs: nowMs - sinceMs })),
      ),
    }));
  }

  #usesOf(volume: string, id: string): Uses {
    const ids = this.#volumes.get(volume) ?? new Map<string, Uses>();
    this.#volumes.set(volume, ids);
    const uses = ids.get(id) ?? { numbers: new Map<number, number>(), repeatUntilMs: 0 };
    ids.set(id, uses);
    return uses;
  }
}

/** One start, and a handful of copies at once: far more than an engine does, few enough to notice a caller that never unmounts. */
export const USES_PER_ID_MAX = 64;

/** The mount id of the cluster for the `number`th use of an engine's id; the first one has no suffix. */
export function toMember(id: string, number: number): string {
  const escaped = id.replaceAll('%', '%25').replaceAll('#', '%23');
  return `${PREFIX}${escaped}${number === 1 ? '' : `#${String(number)}`}`;
}

/** Undefined for the mount ids of other doors. */
export function parseMember(member: string): { readonly id: string; readonly number: number } | undefined {
  const [, escaped, number = '1'] = MEMBER.exec(member) ?? [];
  if (escaped === undefined) return undefined;
  return { id: escaped.replaceAll('%23', '#').replaceAll('%25', '%'), number: Number(number) };
}

interface Uses {
  /** Number of the use to the moment since which it is known. */
  readonly numbers: Map<number, number>;
  repeatUntilMs: number;
}

const PREFIX = 'docker:';
const MEMBER = /^docker:([^#]*)(?:#([0-9]{1,4}))?$/;

/** Engines repeat a call with a broken connection for at most 30 s. */
const REPEAT_MS = 35_000;
