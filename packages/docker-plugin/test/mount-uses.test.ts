import { systemClock, type Clock } from '@volplane/base';
import { expect } from 'chai';
import fc from 'fast-check';
import { MountUses, parseMember, toMember, USES_PER_ID_MAX } from '../src/mount-uses.js';

describe('mount uses', () => {
  let nowMs: number;
  let uses: MountUses;

  beforeEach(() => {
    nowMs = 1_000;
    const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
    uses = new MountUses(clock);
  });

  it('gives each use of one id a member of its own and ends the last one first', () => {
    expect([uses.add('v', 'a'), uses.add('v', 'a'), uses.add('v', 'b')]).to.deep.equal(['docker:a', 'docker:a#2', 'docker:b']);
    expect(uses.findEnding('v', 'a')).to.equal('docker:a#2');
    uses.drop('v', 'docker:a#2');
    expect(uses.findEnding('v', 'a')).to.equal('docker:a');
    uses.drop('v', 'docker:a');
    expect(uses.holds('v')).to.equal(true);
    uses.drop('v', 'docker:b');
    expect(uses.holds('v')).to.equal(false);
  });

  it('names the first member for an id that it does not know', () => {
    expect(uses.findEnding('v', 'a')).to.equal('docker:a');
    expect(uses.holds('v')).to.equal(false);
  });

  it('ends nothing more for an Unmount that repeats one whose answer was lost', () => {
    uses.add('v', 'a');
    uses.add('v', 'a');
    uses.add('v', 'a');
    uses.drop('v', 'docker:a#3');
    uses.expectRepeat('v', 'a');
    expect(uses.findEnding('v', 'a')).to.equal(undefined);
    expect(uses.findEnding('v', 'a')).to.equal('docker:a#2');
    uses.expectRepeat('v', 'a');
    nowMs += 36_000;
    expect(uses.findEnding('v', 'a')).to.equal('docker:a#2');
  });

  it('learns its own ids from the cluster and no others', () => {
    uses.learn('v', ['docker:a', 'docker:a#2', 'csi-target', 'docker:b#x']);
    nowMs += 500;
    expect(uses.list()).to.deep.equal([
      {
        volume: 'v',
        members: [
          { member: 'docker:a', ageMs: 500 },
          { member: 'docker:a#2', ageMs: 500 },
        ],
      },
    ]);
    expect(uses.add('v', 'a')).to.equal('docker:a#3');
  });

  it('refuses an id that is never unmounted', () => {
    for (let number = 0; number < USES_PER_ID_MAX; number += 1) uses.add('v', 'a');
    expect(() => uses.add('v', 'a')).to.throw('already uses volume v 64 times');
  });

  it('reads back every member that it writes', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 9_999 }), (id, number) => {
        expect(parseMember(toMember(id, number))).to.deep.equal({ id, number });
      }),
    );
  });
});
