import type { VolumeUid } from './names.js';

/**
 * A digest of which claims a node holds: equal sets give equal digests, and different ones differ but for one chance in
 * 2^64 or so (then the next change shows the difference). Order does not matter.
 */
export function heldDigest(held: Iterable<{ readonly uid: VolumeUid; readonly seq: number }>): string {
  let count = 0;
  let low = 0;
  let high = 0;
  for (const { uid, seq } of held) {
    const hash = hash64(`${uid}:${String(seq)}`);
    count += 1;
    // Each half is summed by itself modulo 2^32: exact, so that the order of a sum cannot show.
    low = (low + hash.low) >>> 0;
    high = (high + hash.high) >>> 0;
  }
  return `${String(count)}-${hex32(high)}${hex32(low)}`;
}

/** Which of `members` looks after `key`: rendezvous hashing, so that a change of members moves few keys. */
export function rendezvousOwner(key: string, members: readonly string[]): string | undefined {
  let best: { readonly member: string; readonly high: number; readonly low: number } | undefined;
  for (const member of members) {
    const weight = { member, ...hash64(`${member}/${key}`) };
    if (best === undefined || outweighs(weight, best)) best = weight;
  }
  return best?.member;
}

interface Hash64 {
  readonly high: number;
  readonly low: number;
}

function outweighs(one: Hash64 & { readonly member: string }, other: Hash64 & { readonly member: string }): boolean {
  if (one.high !== other.high) return one.high > other.high;
  if (one.low !== other.low) return one.low > other.low;
  return one.member < other.member;
}

/** Two multiplicative 32-bit hashes, each mixed at its end so that every character moves every bit; for spreading, not for secrets. */
function hash64(text: string): Hash64 {
  let low = 0x9e3779b9;
  let high = 0x85ebca6b;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x5bd1e995);
  }
  return { high: mixed(high ^ (low >>> 15)), low: mixed(low ^ (high >>> 13)) };
}

/** The end of murmur3's 32-bit hash. */
function mixed(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}
