import { parseNodeName } from '@volplane/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { OwnerRanking } from '../src/store/owner-ranking.js';

describe('OwnerRanking', () => {
  it('has the order of a sort, whatever happened and whenever it was asked for', () => {
    const step = fc.record({ node: fc.nat({ max: 12 }), act: fc.constantFrom('add', 'give', 'give', 'take', 'ask') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const ranking = new OwnerRanking();
        const counts = new Map<string, number>();
        for (const { node, act } of steps) {
          const name = parseNodeName(`n${String(node)}`);
          const count = counts.get(name) ?? 0;
          if (act === 'ask') expect([...ranking]).to.deep.equal(sorted(counts));
          else if (act === 'add') ranking.add(name);
          else ranking.change(name, act === 'give' ? 1 : -1);
          if (act !== 'ask') counts.set(name, count + (act === 'add' ? 0 : act === 'give' ? 1 : -1));
          expect(ranking.count(name)).to.equal(counts.get(name) ?? 0);
        }
        expect([...ranking]).to.deep.equal(sorted(counts));
      }),
      { numRuns: 500 },
    );
  });
});

function sorted(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].sort(([one, a], [other, b]) => a - b || (one < other ? -1 : 1)).map(([name]) => name);
}
