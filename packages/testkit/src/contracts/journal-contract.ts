import { JOURNAL_LIMITS, type Journal } from '@volplane/ports';
import { expect } from 'chai';
import { rejection } from '../rejection.js';

/** One place on a disk. */
export interface JournalWorld {
  /** A journal at that place; the former one was closed. */
  open(): Promise<Journal>;
  end(): Promise<void>;
}

/**
 * What every {@link Journal} does, as a mocha suite. Each test gets a place of its own.
 *
 * Method: what is durable is what a journal opened anew says; crashes are tested where they can be made.
 */
export function journalContract(name: string, start: () => Promise<JournalWorld>): void {
  describe(`journal contract: ${name}`, () => {
    let world: JournalWorld;
    let journal: Journal;

    beforeEach(async () => {
      world = await start();
      journal = await world.open();
    });

    afterEach(async () => {
      await journal.close();
      await world.end();
    });

    const reopened = async (): Promise<Journal> => {
      await journal.close();
      journal = await world.open();
      return journal;
    };
    stateTests(() => journal, reopened);
    boundTests(() => journal, reopened);
  });
}

function stateTests(current: () => Journal, reopened: () => Promise<Journal>): void {
  it('is empty at first', async () => {
    expect(current().get('key')).to.equal(undefined);
    expect([...current().entries('')]).to.deep.equal([]);
    expect([...(await reopened()).entries('')]).to.deep.equal([]);
  });

  it('shows a write at once and keeps it', async () => {
    const written = current().write({ key: 'value' });
    expect(current().get('key')).to.equal('value');
    await written;
    expect((await reopened()).get('key')).to.equal('value');
  });

  it('keeps values and keys of every kind', async () => {
    const changes = JSON.parse(
      '{"null":null,"false":false,"zero":0,"empty":"","list":[1,[],{}],"größer 大":"\\u2028\\n","line\\nfeed":{"a":{"b":[null]}},"":1,"__proto__":{"x":1}}',
    ) as Record<string, unknown>;
    await current().write(changes);
    expect(sorted(current())).to.deep.equal(sortedEntries(Object.entries(changes)));
    expect(sorted(await reopened())).to.deep.equal(sortedEntries(Object.entries(changes)));
  });

  it('makes all changes of one write, and deletes what is undefined', async () => {
    await current().write({ a: 1, b: 2, c: 3 });
    await current().write({ a: undefined, b: 20, never: undefined, d: 4 });
    const expected = [
      ['b', 20],
      ['c', 3],
      ['d', 4],
    ];
    expect(sorted(current())).to.deep.equal(expected);
    expect(sorted(await reopened())).to.deep.equal(expected);
    await current().write({ c: undefined });
    await current().write({ c: 'again' });
    expect((await reopened()).get('c')).to.equal('again');
  });

  it('takes a map as it takes an object', async () => {
    await current().write({ a: 1, b: 2 });
    await current().write(
      new Map<string, unknown>([
        ['a', undefined],
        ['b', [20]],
        ['__proto__', 3],
      ]),
    );
    const expected = [
      ['__proto__', 3],
      ['b', [20]],
    ];
    expect(sorted(current())).to.deep.equal(expected);
    expect(sorted(await reopened())).to.deep.equal(expected);
  });

  it('lists the keys of a prefix', async () => {
    await current().write({ 'mount/1': 1, 'mount/2': 2, mounts: 3, 'other/1': 4 });
    expect(sorted(current(), 'mount/')).to.deep.equal([
      ['mount/1', 1],
      ['mount/2', 2],
    ]);
    expect(sorted(current(), 'none')).to.deep.equal([]);
  });

  it('copies what is written', async () => {
    const value = { list: [1] };
    const written = current().write({ key: value });
    value.list.push(2);
    await written;
    expect(current().get('key')).to.deep.equal({ list: [1] });
    expect((await reopened()).get('key')).to.deep.equal({ list: [1] });
  });

  it('takes writes while others wait, in the order of their calls', async () => {
    const numbers = Array.from({ length: 500 }, (_, number) => number);
    await Promise.all(numbers.map((number) => current().write({ last: number, [`own/${String(number)}`]: number })));
    expect((await reopened()).get('last')).to.equal(499);
    expect([...current().entries('own/')]).to.have.length(500);
  });

  it('keeps writes of both grades, in the order of their calls', async () => {
    const numbers = Array.from({ length: 300 }, (_, number) => number);
    await Promise.all(
      numbers.map((number) => current().write({ last: number, [`own/${String(number)}`]: number }, number % 3 === 0 ? 'synced' : 'kept')),
    );
    await current().write({ 'own/0': undefined }, 'kept');
    expect((await reopened()).get('last')).to.equal(299);
    expect([...current().entries('own/')]).to.have.length(299);
  });

  it('resolves a write of nothing', async () => {
    await current().write({});
    expect([...(await reopened()).entries('')]).to.deep.equal([]);
  });

  it('stays whole over many writes and many openings', async () => {
    const expected = new Map<string, unknown>();
    for (let round = 0; round < 5; round += 1) {
      const writes: Promise<void>[] = [];
      for (let number = 0; number < 200; number += 1) {
        const key = `key/${String((round * 200 + number * 7) % 90)}`;
        const value = number % 5 === 0 ? undefined : { round, number, filler: 'x'.repeat(2_000) };
        if (value === undefined) expected.delete(key);
        else expected.set(key, value);
        writes.push(current().write({ [key]: value }));
      }
      // One opening after the other is what this tests.
      await Promise.all(writes);
      expect(sorted(await reopened())).to.deep.equal(sortedEntries([...expected]));
    }
  });
}

function boundTests(current: () => Journal, reopened: () => Promise<Journal>): void {
  it('refuses a write that is too large, and changes nothing', async () => {
    await current().write({ key: 'before' });
    const refusal = await rejection(current().write({ key: 'x'.repeat(JOURNAL_LIMITS.writeBytes) }));
    expect(refusal.reason).to.equal('TOO_LARGE');
    expect(current().get('key')).to.equal('before');
    await current().write({ key: 'x'.repeat(JOURNAL_LIMITS.writeBytes - 100) });
    expect((await reopened()).get('key')).to.have.length(JOURNAL_LIMITS.writeBytes - 100);
  });

  it('refuses writes while too much waits, and takes them again after', async () => {
    const large = 'x'.repeat(JOURNAL_LIMITS.writeBytes - 1_000);
    const count = Math.floor(JOURNAL_LIMITS.pendingBytes / JOURNAL_LIMITS.writeBytes);
    const fill = (): Promise<void>[] =>
      Array.from({ length: count }, (_, number) => current().write({ [`large/${String(number)}`]: large }));
    const waiting = fill();
    const refusal = await rejection(current().write({ refused: large }));
    expect(refusal.reason).to.equal('OVERLOADED');
    expect(current().get('refused')).to.equal(undefined);
    await Promise.all(waiting);
    await Promise.all(fill());
    await current().write({ taken: 'now' });
    expect((await reopened()).get('taken')).to.equal('now');
    expect([...current().entries('large/')]).to.have.length(count);
    expect(current().get('refused')).to.equal(undefined);
  });

  it('makes what it has durable when it closes, and refuses later writes', async () => {
    const journal = current();
    const writes = Array.from({ length: 20 }, (_, number) => journal.write({ [`key/${String(number)}`]: number }));
    const closed = journal.close();
    expect((await rejection(journal.write({ late: true }))).reason).to.equal('SHUTTING_DOWN');
    await Promise.all(writes);
    await closed;
    await journal.close();
    expect((await rejection(journal.write({ late: true }))).reason).to.equal('SHUTTING_DOWN');
    expect([...(await reopened()).entries('')]).to.have.length(20);
  });
}

function sorted(journal: Journal, prefix = ''): readonly (readonly [string, unknown])[] {
  return sortedEntries([...journal.entries(prefix)]);
}

function sortedEntries(entries: readonly (readonly [string, unknown])[]): readonly (readonly [string, unknown])[] {
  return entries.toSorted(([left], [right]) => (left < right ? -1 : 1));
}
