import type { VolumeUid } from './names.js';

/**
 * A digest of which claims a node holds: equal sets give equal digests, and different ones differ but for one chance in
 * 2^53 (then the next change shows the difference). Order does not matter.
 */
export function heldDigest(held: Iterable<{ readonly uid: VolumeUid; readonly seq: number }>): string {
  let count = 0;
  let sum = 0;
  for (const { uid, seq } of held) {
    count += 1;
    sum = (sum + hash53(`${uid}:${String(seq)}`)) % Number.MAX_SAFE_INTEGER;
  }
  return `${String(count)}-${sum.toString(16)}`;
}

/** Two rounds of a multiplicative 32-bit hash, joined to 53 bits; for spreading, not for secrets. */
function hash53(text: string): number {
  let low = 0x9e3779b9;
  let high = 0x85ebca6b;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x5bd1e995);
  }
  low ^= high >>> 15;
  high ^= low >>> 13;
  return (high & 0x1fffff) * 2 ** 32 + (low >>> 0);
}

/** Which of `members` looks after `key`: rendezvous hashing, so that a change of members moves few keys. */
export function rendezvousOwner(key: string, members: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestWeight = -1;
  for (const member of members) {
    const weight = hash53(`${member}/${key}`);
    if (weight > bestWeight || (weight === bestWeight && best !== undefined && member < best)) {
      best = member;
      bestWeight = weight;
    }
  }
  return best;
}
