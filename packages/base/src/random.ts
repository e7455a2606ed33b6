import { randomBytes } from 'node:crypto';

/** Randomness, the only way to it. The simulation supplies a seeded one. */
export interface Random {
  /** `length` lower-case hexadecimal characters. */
  hex(length: number): string;
  /** A float in [0, 1). */
  float(): number;
}

export const systemRandom: Random = {
  hex: (length) =>
    takeBytes(Math.ceil(length / 2))
      .toString('hex')
      .slice(0, length),
  float: () => Math.random(),
};

/** Bytes of which each is given out once. Asking the system costs 10 µs for 16 bytes and the same for all of these. */
let pool = Buffer.alloc(0);
const POOL_BYTES = 4_096;

function takeBytes(count: number): Buffer {
  if (count > POOL_BYTES) return randomBytes(count);
  if (pool.length < count) pool = randomBytes(POOL_BYTES);
  const taken = pool.subarray(0, count);
  pool = pool.subarray(count);
  return taken;
}

/** `delayMs` spread evenly over its upper half, so that many waiters do not come back at one moment. */
export function jitter(random: Random, delayMs: number): number {
  return delayMs * (0.5 + random.float() / 2);
}

/** Exponential backoff without overflow: `firstMs` doubled `attempt` times, at most `maxMs`, with jitter. */
export function backoffMs(random: Random, attempt: number, limits: { readonly firstMs: number; readonly maxMs: number }): number {
  const doublings = Math.min(attempt, 30);
  return jitter(random, Math.min(limits.maxMs, limits.firstMs * 2 ** doublings));
}

/** A seeded generator (mulberry32): small, fast, good enough for schedules, not for secrets. */
export function seededRandom(seed: number): Random & { int(bound: number): number } {
  let state = seed >>> 0;
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    float,
    int: (bound) => Math.floor(float() * bound),
    hex(length) {
      let text = '';
      while (text.length < length) text += Math.floor(float() * 16).toString(16);
      return text;
    },
  };
}
