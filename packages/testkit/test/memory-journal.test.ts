import { sleep } from '@volplane/base';
import { expect } from 'chai';
import { journalContract } from '../src/contracts/journal-contract.js';
import { ManualClock } from '../src/manual-clock.js';
import { MemoryDisk, type MemoryJournal } from '../src/memory-journal.js';
import { rejection } from '../src/rejection.js';
import { watch } from '../src/watched.js';

journalContract('MemoryJournal', () => {
  const disk = new MemoryDisk();
  return Promise.resolve({ open: () => Promise.resolve(disk.open()), end: () => Promise.resolve() });
});

/** A sync takes 10 ms of the test's clock. */
describe('memory journal', () => {
  let clock: ManualClock;
  let disk: MemoryDisk;

  beforeEach(() => {
    clock = new ManualClock();
    disk = new MemoryDisk();
  });

  const open = (): MemoryJournal => disk.open({ beforeSync: () => sleep(clock, 10) });

  it('loses in a crash what had not resolved, and settles none of it', async () => {
    const journal = open();
    const first = watch(journal.write({ a: 1 }));
    await clock.advance(10);
    const second = watch(journal.write({ a: 2, b: 2 }));
    await clock.advance(9);
    expect([first.state, second.state]).to.deep.equal(['resolved', 'waiting']);
    expect(journal.get('a')).to.equal(2);
    journal.crash();
    const late = watch(journal.write({ late: true }));
    const next = open();
    await clock.advance(100);
    expect([second.state, late.state]).to.deep.equal(['waiting', 'waiting']);
    expect([...next.entries('')]).to.deep.equal([['a', 1]]);
    next.crash();
    expect([...open().entries('')]).to.deep.equal([['a', 1]]);
  });

  it('keeps in a crash as many of the last writes as it is told, in order and whole', async () => {
    const journal = open();
    const writes = [{ a: 1, b: 1 }, { a: undefined, c: 2 }, { b: 3 }].map((changes) => watch(journal.write(changes)));
    journal.crash(2);
    expect([...open().entries('')]).to.deep.equal([
      ['b', 1],
      ['c', 2],
    ]);
    await clock.advance(100);
    expect(writes.map(({ state }) => state)).to.deep.equal(['waiting', 'waiting', 'waiting']);
  });

  it('shares a sync among the writes that wait for it', async () => {
    const journal = open();
    const early = watch(journal.write({ early: true }));
    await clock.advance(5);
    const late = [1, 2, 3].map((number) => watch(journal.write({ [String(number)]: number })));
    await clock.advance(5);
    expect([early, ...late].map(({ state }) => state)).to.deep.equal(['resolved', 'waiting', 'waiting', 'waiting']);
    await clock.advance(10);
    expect(late.map(({ state }) => state)).to.deep.equal(['resolved', 'resolved', 'resolved']);
  });

  it('fails for good when the disk fails, and keeps what was acknowledged', async () => {
    let syncs = 0;
    const journal = disk.open({
      beforeSync: () => {
        syncs += 1;
        if (syncs === 2) throw new Error('planted');
      },
    });
    await journal.write({ kept: true });
    const failed = [rejection(journal.write({ a: 1 })), rejection(journal.write({ b: 1 }))];
    expect((await Promise.all(failed)).map(({ reason }) => reason)).to.deep.equal(['DISK_FAILED', 'DISK_FAILED']);
    expect((await rejection(journal.write({ c: 1 }))).reason).to.equal('DISK_FAILED');
    await journal.close();
    expect([...open().entries('')]).to.deep.equal([['kept', true]]);
  });

  it('belongs to one process at a time', async () => {
    const journal = open();
    expect(() => open())
      .to.throw()
      .with.property('reason', 'FOLDER_IN_USE');
    await journal.close();
    open().crash();
    open();
  });

  it('has after a crash what was kept, and what was written before it', async () => {
    const journal = open();
    const synced = watch(journal.write({ a: 1 }));
    await journal.write({ b: 1 }, 'kept');
    const late = watch(journal.write({ c: 1 }));
    await clock.advance(0);
    expect([synced.state, late.state]).to.deep.equal(['waiting', 'waiting']);
    journal.crash();
    expect([...open().entries('')].map(([key]) => key)).to.deep.equal(['a', 'b']);
  });

  it('loses with the power what was not synced, the latest writes first', async () => {
    const journal = open();
    const synced = journal.write({ a: 1 });
    await clock.advance(10);
    await synced;
    for (const key of ['b', 'c', 'd']) await journal.write({ [key]: 1 }, 'kept');
    expect(disk.cached).to.equal(3);
    journal.crash();
    disk.losePower(2);
    expect([...open().entries('')].map(([key]) => key)).to.deep.equal(['a', 'b', 'c']);
  });

  it('makes durable with a synced write what was kept before it', async () => {
    const journal = open();
    await journal.write({ a: 1 }, 'kept');
    const synced = journal.write({ b: 1 });
    await clock.advance(10);
    await synced;
    journal.crash();
    disk.losePower();
    expect([...open().entries('')].map(([key]) => key)).to.deep.equal(['a', 'b']);
  });
});
