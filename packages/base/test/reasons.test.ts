import { expect } from 'chai';
import { REASONS } from '../src/index.js';

describe('reasons', () => {
  it('tell what to do, or why there is nothing to do', () => {
    const idle = Object.entries(REASONS).filter(([, { whatToDo }]) => /^Nothing\.?$/.test(whatToDo));
    expect(idle.map(([reason]) => reason)).to.deep.equal([]);
  });

  it('say of a server that does not know a call that it may be the wrong one', () => {
    expect(REASONS.NOT_IMPLEMENTED.whatToDo)
      .to.match(/address/)
      .and.match(/version/);
  });
});
