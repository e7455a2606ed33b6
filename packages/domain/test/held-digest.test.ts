import { expect } from 'chai';
import fc from 'fast-check';
import { heldDigest, rendezvousOwner } from '../src/index.js';
import { volumeUid } from './world.js';

const held = fc.uniqueArray(fc.record({ uid: fc.string({ minLength: 1, maxLength: 10 }).map(volumeUid), seq: fc.nat(1_000_000) }), {
  maxLength: 60,
  selector: ({ uid }) => uid,
});

describe('heldDigest', () => {
  it('does not depend on the order', () => {
    fc.assert(
      fc.property(held, fc.array(fc.nat(), { minLength: 60, maxLength: 60 }), (entries, order) => {
        const shuffled = entries.map((entry, index) => ({ entry, at: order[index] ?? 0 })).sort((one, other) => one.at - other.at);
        expect(heldDigest(shuffled.map(({ entry }) => entry))).to.equal(heldDigest(entries));
      }),
    );
  });

  it('differs when one claim is missing, added or has another seq', () => {
    fc.assert(
      fc.property(held, fc.nat(), (entries, at) => {
        const digest = heldDigest(entries);
        const index = at % (entries.length + 1);
        const without = entries.filter((_, other) => other !== index);
        if (index < entries.length) expect(heldDigest(without)).not.to.equal(digest);
        const later = entries.map((entry, other) => (other === index ? { ...entry, seq: entry.seq + 1 } : entry));
        if (index < entries.length) expect(heldDigest(later)).not.to.equal(digest);
        expect(heldDigest([...entries, { uid: volumeUid('one more of them'), seq: 1 }])).not.to.equal(digest);
      }),
    );
  });

  it('is short enough for a heartbeat', () => {
    const many = Array.from({ length: 10_000 }, (_, seq) => ({ uid: volumeUid(String(seq)), seq }));
    expect(heldDigest(many)).to.match(/^10000-[0-9a-f]{16}$/);
    expect(heldDigest([])).to.equal('0-0000000000000000');
  });
});

describe('rendezvousOwner', () => {
  const members = ['m-1', 'm-2', 'm-3'];
  const keys = Array.from({ length: 6_000 }, (_, index) => `volume-${String(index)}`);

  it('spreads keys evenly, also when names differ in their last character only', () => {
    for (const member of members) {
      const share = keys.filter((key) => rendezvousOwner(key, members) === member).length;
      expect(share).to.be.within(1_800, 2_200);
    }
  });

  it('agrees on every order of the members', () => {
    for (const key of keys.slice(0, 100)) expect(rendezvousOwner(key, members)).to.equal(rendezvousOwner(key, [...members].reverse()));
  });

  it('moves only the keys of a member that left', () => {
    for (const key of keys) {
      const before = rendezvousOwner(key, members);
      if (before !== 'm-2') expect(rendezvousOwner(key, ['m-1', 'm-3'])).to.equal(before);
    }
  });

  it('has no owner without members', () => {
    expect(rendezvousOwner('key', [])).to.equal(undefined);
  });
});
