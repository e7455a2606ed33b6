import { expect } from 'chai';
import { assert } from '../src/index.js';

describe('assert', () => {
  it('throws with the text of what should have held, as given or as built', () => {
    expect(() => {
      assert(false, 'one is two');
    }).to.throw('assertion failed: one is two');
    expect(() => {
      assert(undefined, () => `${String(1)} is two`);
    }).to.throw('assertion failed: 1 is two');
  });

  it('builds no text when it holds', () => {
    assert(true, () => {
      throw new Error('was built');
    });
  });
});
