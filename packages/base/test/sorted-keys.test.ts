import { expect } from 'chai';
import fc from 'fast-check';
import { SortedKeys } from '../src/index.js';

describe('SortedKeys', () => {
  it('holds what a sorted array of the same keys would hold, whatever is added and removed', () => {
    const key = fc.string({ maxLength: 3 });
    const step = fc.record({ add: fc.boolean(), key });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), key, (steps, start) => {
        const keys = new SortedKeys();
        const model = new Set<string>();
        for (const { add, key: each } of steps) {
          if (add) {
            keys.add(each);
            model.add(each);
          } else {
            keys.delete(each);
            model.delete(each);
          }
        }
        expect([...keys.from(start)]).to.deep.equal([...model].filter((each) => each >= start).sort());
      }),
    );
  });

  it('stays in order across its chunks, filled in order, backwards and from the middle', () => {
    const names = Array.from({ length: 5_000 }, (_, index) => String(index).padStart(5, '0'));
    const orders = [names, [...names].reverse(), names.map((_, index) => names[(index * 1_733) % names.length] ?? '')];
    for (const order of orders) {
      const keys = new SortedKeys();
      for (const name of order) keys.add(name);
      expect([...keys.from('')]).to.deep.equal(names);
      for (const name of order.slice(0, 4_000)) keys.delete(name);
      const gone = new Set(order.slice(0, 4_000));
      expect([...keys.from('02500')]).to.deep.equal(names.filter((name) => name >= '02500' && !gone.has(name)));
    }
  });
});
