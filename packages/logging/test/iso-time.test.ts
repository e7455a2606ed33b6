import { expect } from 'chai';
import fc from 'fast-check';
import { IsoTime } from '../src/iso-time.js';

describe('IsoTime', () => {
  it('writes what Date writes, also when the clock goes back', () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: -1, max: 1_100 }), fc.integer({ min: -4e12, max: 4e12 })), { minLength: 1 });
    const check = (start: number, offsetsMs: readonly number[]): void => {
      const time = new IsoTime();
      for (const offsetMs of offsetsMs) expect(time.format(start + offsetMs)).to.equal(new Date(start + offsetMs).toISOString());
    };
    fc.assert(fc.property(fc.integer({ min: -3e14, max: 3e14 }), steps, check), { seed: 20_261_129 });
  });
});
