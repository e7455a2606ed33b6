import { inspect } from 'node:util';
import { sleep, systemClock, withTimeout } from '@volplane/base';

export interface WaitForOptions {
  /** How long to wait before giving up; reaching it means a bug, so it is long. Default {@link WAIT_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  /** The awaited state in words, for the error: "node n1 is registered". */
  readonly what: string;
}

/** Default patience of {@link waitFor}. Long, because the machine that runs tests may be busy. */
export const WAIT_TIMEOUT_MS = 60_000;

/**
 * Polls `condition` until it is truthy and returns that value.
 *
 * Wait for a state ("revision is at least 7"), never for a change. A condition that throws counts as "not yet", so that
 * a store that is coming back can be asked directly; what it threw last is the cause of the error.
 *
 * @throws Error that names `what` and the last value or error seen
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitForOptions): Promise<Truthy<T>> {
  const { timeoutMs = WAIT_TIMEOUT_MS, what } = options;
  const endsAtMs = systemClock.monotonicMs() + timeoutMs;
  let last: Observation = { kind: 'none' };
  for (;;) {
    const leftMs = endsAtMs - systemClock.monotonicMs();
    // One look after the other: each asks for the state at its own moment.
    last = leftMs > 0 ? await observe(condition, leftMs, last) : last;
    if (last.kind === 'value' && isTruthy<T>(last.value)) return last.value;
    if (systemClock.monotonicMs() >= endsAtMs) throw timeoutError(what, timeoutMs, last);
    await sleep(systemClock, POLL_INTERVAL_MS);
  }
}

type Truthy<T> = Exclude<T, undefined | null | false | 0 | ''>;

type Observation =
  { readonly kind: 'none' } | { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'error'; readonly error: unknown };

/** Short enough not to slow tests down, long enough not to load a small machine. */
const POLL_INTERVAL_MS = 15;

/** Enough of a value to understand the failure, without flooding the report. */
const SHOWN_CHARACTERS_MAX = 2_000;

async function observe(condition: () => unknown, leftMs: number, last: Observation): Promise<Observation> {
  const timedOut = new Error('the condition itself did not answer');
  try {
    const work = Promise.resolve(condition());
    return { kind: 'value', value: await withTimeout(systemClock, work, { timeoutMs: leftMs, onTimeout: () => timedOut }) };
  } catch (error) {
    // A look that hangs at the end must not hide what was seen before it.
    if (error === timedOut && last.kind !== 'none') return last;
    return { kind: 'error', error };
  }
}

function isTruthy<T>(value: unknown): value is Truthy<T> {
  return Boolean(value);
}

function timeoutError(what: string, timeoutMs: number, last: Observation): Error {
  const text = `waited ${String(timeoutMs)} ms in vain until ${what}`;
  if (last.kind === 'error') return new Error(`${text}; the last look failed`, { cause: last.error });
  if (last.kind === 'none') return new Error(text);
  return new Error(`${text}; last seen: ${inspect(last.value, { depth: 6 }).slice(0, SHOWN_CHARACTERS_MAX)}`);
}
