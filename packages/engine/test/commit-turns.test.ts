import { ManualClock, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { CommitTurns, type EndTurn } from '../src/store/commit-turns.js';

describe('CommitTurns', () => {
  let clock: ManualClock;
  let turns: CommitTurns;
  /** Who has gone on, in order, and how he ends. */
  let begun: string[];
  let ends: Map<string, EndTurn>;

  beforeEach(() => {
    clock = new ManualClock();
    turns = new CommitTurns(clock);
    begun = [];
    ends = new Map();
  });

  const take = async (who: string, key = 'data'): Promise<void> => {
    const end = await turns.take(key);
    begun.push(who);
    ends.set(who, end);
  };
  const takeAll = (...all: readonly string[]): readonly Promise<void>[] => all.map((who) => take(who));

  it('gives one after the other the turn of a key, and keys do not wait for each other', async () => {
    const taken = takeAll('a', 'b', 'c');
    await take('other', 'scratch');
    expect(begun).to.deep.equal(['a', 'other']);
    ends.get('a')?.('went-on');
    await taken[1];
    expect(begun).to.deep.equal(['a', 'other', 'b']);
    ends.get('b')?.('went-on');
    await taken[2];
    for (const who of ['c', 'other']) ends.get(who)?.('went-on');
    expect(turns.size).to.equal(0);
  });

  it('lets everybody go on at once when the store failed for one', async () => {
    const taken = takeAll('a', 'b', 'c');
    await taken[0];
    ends.get('a')?.('failed');
    await Promise.all(taken);
    expect(turns.size).to.equal(0);
    // Those had no turn that they could end.
    const next = takeAll('d', 'e');
    await next[0];
    ends.get('b')?.('went-on');
    ends.get('c')?.('failed');
    await clock.advance(0);
    expect(begun).to.deep.equal(['a', 'b', 'c', 'd']);
    ends.get('d')?.('went-on');
    await next[1];
  });

  it('lets nobody wait long behind a store that does not answer', async () => {
    const taken = takeAll('a', 'b');
    await clock.advance(1_999);
    expect(begun).to.deep.equal(['a']);
    await clock.advance(1);
    await taken[1];
    ends.get('a')?.('went-on');
    expect(turns.size).to.equal(0);
    ends.get('b')?.('went-on');
  });

  it('has room for so many, and lets who comes on top go on', async () => {
    const taken = takeAll('first', ...Array.from({ length: 2_000 }, (_, index) => String(index)));
    await take('on top');
    expect(begun).to.deep.equal(['first', 'on top']);
    ends.get('first')?.('failed');
    await waitFor(() => begun.length === taken.length + 1, { what: 'all have gone on' });
  });
});
