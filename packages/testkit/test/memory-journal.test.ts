import { journalContract, MemoryDisk, MemoryJournal } from '@volplane/testkit';
import { expect } from 'chai';

journalContract('MemoryJournal', () => {
  const disk = new MemoryDisk();
  return Promise.resolve({
    open: () => Promise.resolve(disk.open()),
    crash: (journal) => {
      if (journal instanceof MemoryJournal) journal.crash();
      return Promise.resolve();
    },
    dispose: () => Promise.resolve(),
  });
});

describe('MemoryJournal', () => {
  it('loses at a crash what had not resolved', () => {
    const disk = new MemoryDisk();
    const journal = disk.open({ beforeSync: () => new Promise(() => undefined) });
    journal.write({ a: 1 }).catch(() => undefined);
    journal.crash();
    expect(disk.open().get('a')).to.equal(undefined);
  });
});
