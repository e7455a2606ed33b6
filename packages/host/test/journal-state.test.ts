import { expect } from 'chai';
import { JournalState } from '../src/journal-state.js';

describe('state of the journal', () => {
  it('gives for a snapshot what was written, what was asked for since, and what was read from the disk', () => {
    const state = new JournalState();
    state.setJson('written', '{"number":1}');
    state.setJson('asked', '{"number":2}');
    state.setValue('read', { number: 3 });
    state.setJson('forgotten', '{"number":4}');
    state.setJson('forgotten', undefined);
    expect(state.get('asked')).to.deep.equal({ number: 2 });
    expect([...state.jsons()]).to.deep.equal([
      ['written', '{"number":1}'],
      ['asked', '{"number":2}'],
      ['read', '{"number":3}'],
    ]);
  });
});
