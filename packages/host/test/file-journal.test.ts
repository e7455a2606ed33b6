import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger, systemRandom, type Logger } from '@volplane/base';
import { JOURNAL_LIMITS } from '@volplane/ports';
import { gate, journalContract, ManualClock, openPaths, rejection, waitFor, watchHandles } from '@volplane/testkit';
import { expect } from 'chai';
import { FileJournal, type FileJournalOptions } from '../src/file-journal.js';
import { encodeChanges, encodeHeader, encodeRecord, parseJournal } from '../src/journal-format.js';
import { openLogFile } from '../src/log-file.js';

let folder: string;

async function makeFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'volplane-journal-'));
}

function open(options: Partial<FileJournalOptions> = {}): Promise<FileJournal> {
  return FileJournal.open({ folder, random: systemRandom, log: silentLogger, ...options });
}

journalContract('FileJournal', async () => {
  folder = await makeFolder();
  return { open: () => open(), end: () => rm(folder, { recursive: true }) };
});

describe('file journal', () => {
  const opened: FileJournal[] = [];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await makeFolder();
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((journal) => journal.close()));
    await Promise.all(children.splice(0).map(killed));
    await rm(folder, { recursive: true });
  });

  async function own(options: Partial<FileJournalOptions> = {}): Promise<FileJournal> {
    const journal = await open(options);
    opened.push(journal);
    return journal;
  }

  /** Starts journal-process.ts and waits until it has the folder. */
  async function startProcess(
    ...args: readonly string[]
  ): Promise<{ readonly child: ChildProcess; readonly lines: () => readonly string[] }> {
    const script = fileURLToPath(new URL('journal-process.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import=tsx', '--conditions=@volplane/source', script, folder, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    // What follows the last line feed is not whole.
    const lines = (): readonly string[] => text.split('\n').slice(0, -1);
    await waitFor(() => lines().includes('open'), { what: 'the process has opened the journal' });
    return { child, lines };
  }

  it('gives folder and file to their owner only', async () => {
    folder = join(folder, 'new', 'er');
    await own();
    expect((await stat(folder)).mode & 0o777).to.equal(0o700);
    expect((await stat(join(folder, 'journal'))).mode & 0o777).to.equal(0o600);
    folder = join(folder, '..', '..');
  });

  it('is durable with its folder before it answers', async () => {
    const parent = folder;
    folder = join(parent, 'new');
    const seen: string[] = [];
    const end = await watchHandles(fileURLToPath(import.meta.url), ({ call, path }) => seen.push(`${call} ${relative(parent, path)}`));
    try {
      await own();
    } finally {
      end();
    }
    expect(seen).to.deep.equal(['sync ', 'sync new/journal.tmp', 'sync new', 'truncate new/journal', 'sync new/journal']);
    folder = parent;
  });

  it('refuses a value that is no JSON, which would delete its key', async () => {
    const journal = await own();
    await journal.write({ key: 1 });
    const refused: unknown = await journal.write({ key: () => 2 }).catch((error: unknown) => error);
    expect(refused).to.be.an('error');
    expect(journal.get('key')).to.equal(1);
  });

  it('has every acknowledged write after kill -9, again and again', async () => {
    let last = 0;
    for (let round = 0; round < 3; round += 1) {
      // One process after the other: each takes over from one that was killed.
      const { child, lines } = await startProcess(String(last));
      await waitFor(() => lines().length > 600, { what: 'it has written more than the journal keeps without a compaction' });
      await killed(child);
      const acknowledged = lines().slice(1).map(Number);
      const journal = await own();
      const newest = Number(journal.get('last'));
      expect(newest).to.be.at.least(Math.max(...acknowledged));
      for (const number of acknowledged) {
        expect(journal.get(`written/${String(number % 100)}`), `write ${String(number)}`)
          .to.have.property('number')
          .that.is.at.least(number);
      }
      last = newest;
      await journal.close();
    }
  });

  it('refuses a second owner, in this process and in another, also while the owner is frozen', async () => {
    const journal = await own();
    expect((await rejection(open())).reason).to.equal('FOLDER_IN_USE');
    await journal.write({ still: 'mine' });
    await journal.close();

    const { child } = await startProcess();
    const refusal = await rejection(open());
    expect(refusal.failure).to.deep.include({ reason: 'FOLDER_IN_USE', fields: { folder, pid: String(child.pid) } });
    child.kill('SIGSTOP');
    expect((await rejection(open())).reason).to.equal('FOLDER_IN_USE');
    await killed(child);
    expect((await own()).get('still')).to.equal('mine');
  });

  it('is never given to two that come at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      const attempts = await Promise.allSettled(Array.from({ length: 4 }, () => open()));
      const winners = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
      expect(winners).to.have.length.at.most(1);
      await Promise.all(winners.map((winner) => winner.close()));
    }
    await (await own()).write({ after: 'all' });
  });

  it('leaves nothing but the journal when it is closed, and removes the locks of the dead', async () => {
    const { child } = await startProcess();
    await killed(child);
    expect(await readdir(folder)).to.have.length(2);
    await (await open()).close();
    expect(await readdir(folder)).to.deep.equal(['journal']);
  });

  it('frees the folder when it cannot be opened', async () => {
    await writeFile(join(folder, 'journal'), 'something else\n');
    expect((await rejection(open())).reason).to.equal('DOCUMENT_INVALID');
    expect((await rejection(open())).reason).to.equal('DOCUMENT_INVALID');
    expect(await readFile(join(folder, 'journal'), 'utf8')).to.equal('something else\n');
    expect(await readdir(folder)).to.deep.equal(['journal']);
  });

  it('says that the disk failed when the file cannot be read', async () => {
    await mkdir(join(folder, 'journal'));
    expect((await rejection(open())).reason).to.equal('DISK_FAILED');
  });

  it('takes a folder with a longer path than a socket may have', async () => {
    const long = join(folder, 'x'.repeat(200));
    const journal = await own({ folder: long });
    expect((await rejection(open({ folder: long }))).reason).to.equal('FOLDER_IN_USE');
    await journal.write({ a: 1 });
    await journal.close();
    expect(await readdir(long)).to.deep.equal(['journal']);
  });

  it('cuts off what a crash tore, says so, and writes on', async () => {
    const journal = await open();
    await journal.write({ a: 1 });
    await journal.write({ b: 2 });
    await journal.close();
    const path = join(folder, 'journal');
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, whole.length - 3));

    const warnings: unknown[] = [];
    const log: Logger = { ...silentLogger, warn: (message, fields) => warnings.push([message, fields?.['droppedBytes']]) };
    const torn = await own({ log });
    expect([torn.get('a'), torn.get('b')]).to.deep.equal([1, undefined]);
    expect(warnings).to.deep.equal([['end of the journal cut off, a crash had torn it', lastLineBytes(whole) - 3]]);
    await torn.write({ c: 3 });
    await torn.close();
    expect([...(await own({ log })).entries('')]).to.deep.equal([
      ['a', 1],
      ['c', 3],
    ]);
    expect(warnings, 'of a whole one').to.have.length(1);
  });

  it('never brings back a write of a torn batch', async () => {
    const record = (seq: number, key: string): string => encodeRecord(seq, 2, encodeChanges([[key, '1']]));
    const acknowledged = encodeRecord(1, 1, encodeChanges([['a', '1']]));
    // The crash left a hole in place of the first of three records.
    const torn = [record(2, 'b').replace('"b"', '"x"'), record(3, 'c'), record(4, 'd')];
    await writeFile(join(folder, 'journal'), [encodeHeader(0), acknowledged, ...torn].join(''));
    const journal = await own();
    await journal.write({ e: 1 });
    await journal.close();
    const keys = [...(await own()).entries('')].map(([key]) => key);
    expect(keys).to.deep.equal(['a', 'e']);
  });

  it('cuts off kept writes behind a tear, whatever came after them without a sync', async () => {
    const journal = await open();
    await journal.write({ a: 1 });
    for (const key of ['b', 'c', 'd']) await journal.write({ [key]: 1 }, 'kept');
    const path = join(folder, 'journal');
    const content = await readFile(path, 'utf8');
    await journal.close();
    // The machine ends, and of the last pages the earliest is not on the disk.
    await writeFile(path, content.replace('"b"', '"x"'));
    expect([...(await own()).entries('')]).to.deep.equal([['a', 1]]);
  });

  it('refuses the loss of a kept write that a later sync has made durable', async () => {
    const journal = await open();
    await journal.write({ b: 1 }, 'kept');
    await journal.write({ c: 1 });
    await journal.write({ d: 1 });
    await journal.close();
    const path = join(folder, 'journal');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"b"', '"x"'));
    expect((await rejection(open())).reason).to.equal('DOCUMENT_INVALID');
  });

  it('refuses damage in the middle and leaves the file as it is', async () => {
    const journal = await open();
    for (const key of ['a', 'b', 'c']) await journal.write({ [key]: 'value' });
    await journal.close();
    const path = join(folder, 'journal');
    const damaged = Buffer.from((await readFile(path, 'utf8')).replace('"b"', '"x"'));
    await writeFile(path, damaged);
    expect((await rejection(open())).failure).to.deep.include({ reason: 'DOCUMENT_INVALID', fields: { path, line: '4' } });
    expect(await readFile(path)).to.deep.equal(damaged);
  });

  it('counts what a write has in bytes, as the disk does', async () => {
    const journal = await own();
    const text = 'ä'.repeat(JOURNAL_LIMITS.writeBytes / 2);
    expect((await rejection(journal.write({ text }))).reason).to.equal('TOO_LARGE');
  });

  it('stays small however much is written, and says the same afterwards', async () => {
    const journal = await own();
    const value = (number: number): object => ({ number, filler: 'x'.repeat(10_000) });
    let largest = 0;
    for (let round = 0; round < 40; round += 1) {
      const writes = Array.from({ length: 20 }, (_, index) => journal.write({ [`key/${String(index)}`]: value(round * 20 + index) }));
      await Promise.all(writes);
      largest = Math.max(largest, (await stat(join(folder, 'journal'))).size);
    }
    // 8 MB were written; the state has 0.2 MB.
    expect(largest).to.be.below(2_500_000);
    await journal.close();
    expect(await readdir(folder)).to.deep.equal(['journal']);
    const after = await own();
    for (let index = 0; index < 20; index += 1) expect(after.get(`key/${String(index)}`)).to.deep.equal(value(39 * 20 + index));
  });

  it('keeps writes that come while it compacts', async () => {
    const journal = await own();
    const filler = 'x'.repeat(100_000);
    const writes = Array.from({ length: 100 }, (_, number) => journal.write({ [`key/${String(number)}`]: filler, last: number }));
    // More than the bound, written in a few batches; the rest comes in whatever the journal does then.
    await writes[0];
    for (let number = 100; number < 130; number += 1) {
      await Promise.resolve();
      writes.push(journal.write({ [`key/${String(number)}`]: filler, last: number }));
    }
    await Promise.all(writes);
    await journal.close();
    const after = await own();
    expect(after.get('last')).to.equal(129);
    expect([...after.entries('key/')]).to.have.length(130);
  });

  describe('on a disk that the test holds', () => {
    /** Counts the syncs and lets each pass when `permit` allows. */
    function heldDisk(permit: (sync: number) => Promise<void>): {
      readonly syncs: () => number;
      readonly ended: () => number;
      readonly openLog: typeof openLogFile;
    } {
      let syncs = 0;
      let ended = 0;
      const openLog: typeof openLogFile = async (path, sizeBytes) => {
        const file = await openLogFile(path, sizeBytes);
        return {
          append: (bytes) => {
            file.append(bytes);
          },
          async sync() {
            syncs += 1;
            await permit(syncs);
            await file.sync();
            ended += 1;
          },
          close: () => file.close(),
        };
      };
      return { syncs: () => syncs, ended: () => ended, openLog };
    }

    it('shares one sync among all that wait', async () => {
      const first = gate();
      const disk = heldDisk((sync) => (sync === 1 ? first.opened : Promise.resolve()));
      const journal = await own({ ...disk });
      const early = [journal.write({ early: 1 }), journal.write({ early: 2 })];
      await waitFor(() => disk.syncs() === 1, { what: 'the first sync is on its way' });
      const late = Array.from({ length: 64 }, (_, number) => journal.write({ [`late/${String(number)}`]: number }));
      first.open();
      await Promise.all([...early, ...late]);
      expect(disk.syncs()).to.equal(2);
    });

    it('does not resolve before the disk has it', async () => {
      const sync = gate();
      const disk = heldDisk(() => sync.opened);
      const journal = await own({ ...disk });
      let resolved = false;
      const written = journal.write({ key: 1 }).then(() => (resolved = true));
      await waitFor(() => disk.syncs() === 1, { what: 'the sync is on its way' });
      expect(resolved).to.equal(false);
      expect(journal.get('key')).to.equal(1);
      sync.open();
      await written;
    });

    it('waits for no sync with what is only kept, and has it in the file then', async () => {
      const sync = gate();
      const disk = heldDisk(() => sync.opened);
      const journal = await own({ ...disk });
      const written = journal.write({ a: 1 });
      await waitFor(() => disk.syncs() === 1, { what: 'a sync is on its way' });
      await journal.write({ b: 2 }, 'kept');
      expect(keysOf(await readFile(join(folder, 'journal')))).to.deep.equal(['a', 'b']);
      sync.open();
      await written;
    });

    it('syncs what is kept a second later, once for all of it', async () => {
      const clock = new ManualClock();
      const disk = heldDisk(() => Promise.resolve());
      const journal = await own({ ...disk, clock });
      for (const key of ['a', 'b', 'c']) await journal.write({ [key]: 1 }, 'kept');
      expect(disk.syncs()).to.equal(0);
      await clock.advance(999);
      expect(disk.syncs()).to.equal(0);
      await clock.advance(1);
      await waitFor(() => disk.ended() === 1, { what: 'it is synced' });
      await clock.advance(10_000);
      expect(disk.syncs()).to.equal(1);
      await journal.write({ d: 1 }, 'kept');
      await clock.advance(1_000);
      expect(disk.syncs()).to.equal(2);
      await journal.write({ e: 1 }, 'kept');
      await journal.write({ f: 1 });
      await clock.advance(1_000);
      expect(disk.syncs(), 'one served both').to.equal(3);
    });

    it('syncs once with the last synced write what was kept before it, and again what was kept during that sync', async () => {
      const clock = new ManualClock();
      const first = gate();
      const disk = heldDisk((sync) => (sync === 1 ? first.opened : Promise.resolve()));
      const journal = await own({ ...disk, clock });
      await journal.write({ a: 1 }, 'kept');
      const written = journal.write({ b: 1 });
      await waitFor(() => disk.syncs() === 1, { what: 'the sync is on its way' });
      await journal.write({ c: 1 }, 'kept');
      // Its time comes while the disk is busy.
      await clock.advance(1_000);
      first.open();
      await written;
      await clock.advance(1_000);
      expect(disk.syncs()).to.equal(2);
    });

    it('fails for good when the disk refuses what was kept', async () => {
      const clock = new ManualClock();
      const disk = heldDisk(() => Promise.reject(new Error('planted')));
      const journal = await own({ ...disk, clock });
      await journal.write({ a: 1 }, 'kept');
      await clock.advance(1_000);
      await waitFor(async () => (await journal.write({ b: 1 }, 'kept').catch((error: unknown) => error)) !== undefined, {
        what: 'it has failed',
      });
      expect((await rejection(journal.write({ c: 1 }, 'kept'))).reason).to.equal('DISK_FAILED');
    });

    it('fails for good when the disk fails, and the next process has what was acknowledged', async () => {
      const disk = heldDisk((sync) => (sync === 2 ? Promise.reject(new Error('planted')) : Promise.resolve()));
      const errors: string[] = [];
      const journal = await open({ ...disk, log: { ...silentLogger, error: (message) => errors.push(message) } });
      await journal.write({ kept: true });
      const failing = [rejection(journal.write({ a: 1 })), rejection(journal.write({ b: 1 }))];
      expect((await Promise.all(failing)).map(({ reason }) => reason)).to.deep.equal(['DISK_FAILED', 'DISK_FAILED']);
      const later = await rejection(journal.write({ c: 1 }));
      expect(later.reason).to.equal('DISK_FAILED');
      expect(later.cause).to.have.property('message', 'planted');
      expect(await rejection(journal.failed)).to.equal(later);
      expect(errors).to.deep.equal(['journal failed']);
      expect(disk.syncs()).to.equal(2);
      await journal.close();
      const next = await own();
      expect([next.get('kept'), next.get('c')]).to.deep.equal([true, undefined]);
    });

    it('syncs what is kept when it closes', async () => {
      const disk = heldDisk(() => Promise.resolve());
      const journal = await own({ ...disk });
      await journal.write({ a: 1 }, 'kept');
      await journal.close();
      expect(disk.ended()).to.equal(1);
    });

    it('asks a disk that has failed for nothing more, and closes', async () => {
      const clock = new ManualClock();
      const disk = heldDisk(() => Promise.reject(new Error('planted')));
      const journal = await own({ ...disk, clock });
      expect((await rejection(journal.write({ a: 1 }))).reason).to.equal('DISK_FAILED');
      await clock.advance(10_000);
      await journal.close();
      expect(disk.syncs()).to.equal(1);
    });

    it('answers what comes while it compacts once that is in the new file, durable if that was asked for', async () => {
      const held = gate();
      const disk = heldDisk(() => Promise.resolve());
      let opens = 0;
      const openLog: typeof openLogFile = async (path, sizeBytes) => {
        opens += 1;
        if (opens === 2) await held.opened;
        return await disk.openLog(path, sizeBytes);
      };
      const journal = await own({ openLog });
      const path = join(folder, 'journal');
      const openHere = async (): Promise<readonly string[]> => (await openPaths()).filter((each) => each.startsWith(path));
      await Promise.all(Array.from({ length: 12 }, (_, number) => journal.write({ [`large/${String(number)}`]: 'x'.repeat(100_000) })));
      await waitFor(() => opens === 2, { what: 'it compacts' });
      const answered: string[] = [];
      const late = (['synced', 'kept'] as const).map((grade) => journal.write({ [grade]: 1 }, grade).then(() => answered.push(grade)));
      expect(keysOf(await readFile(path))).not.to.include.members(['synced', 'kept']);
      expect(answered).to.deep.equal([]);
      const syncs = disk.syncs();
      held.open();
      await Promise.all(late);
      expect(answered).to.deep.equal(['kept', 'synced']);
      expect(disk.syncs()).to.equal(syncs + 1);
      // The file is as large as what it holds: what comes now is no reason to compact again.
      for (const number of [1, 2]) await journal.write({ number });
      expect(opens).to.equal(2);
      expect(await openHere()).to.deep.equal([path]);
      await journal.close();
      expect(await openHere()).to.deep.equal([]);
      expect(keysOf(await readFile(path))).to.include.members(['large/0', 'large/11', 'synced', 'kept']);
    });

    it('numbers anew what follows a compaction, so that a tear in it is told from a loss', async () => {
      const clock = new ManualClock();
      const disk = heldDisk(() => Promise.resolve());
      let opens = 0;
      const openLog: typeof openLogFile = async (path, sizeBytes) => {
        opens += 1;
        return await disk.openLog(path, sizeBytes);
      };
      const journal = await open({ openLog, clock });
      // Kept writes alone: they wait for no clock either once they are too many.
      for (let number = 0; number < 12; number += 1) await journal.write({ large: 'x'.repeat(100_000) }, 'kept');
      await waitFor(() => opens === 2, { what: 'it has compacted' });
      for (let number = 0; number < 2; number += 1) await journal.write({ large: 'x'.repeat(100_000) });
      expect(opens, 'what was written before counts no more').to.equal(2);
      for (const key of ['b', 'c', 'd']) await journal.write({ [key]: 1 }, 'kept');
      const path = join(folder, 'journal');
      const content = await readFile(path, 'utf8');
      await journal.close();
      await writeFile(path, content.replace('"b"', '"x"'));
      expect([...(await own()).entries('')].map(([key]) => key)).to.deep.equal(['large']);
    });

    it('answers with a compaction what was written during the sync before it', async () => {
      const first = gate();
      const disk = heldDisk((sync) => (sync === 1 ? first.opened : Promise.resolve()));
      const journal = await own({ ...disk });
      const large = Array.from({ length: 12 }, (_, number) => journal.write({ [String(number)]: 'x'.repeat(100_000) }));
      await waitFor(() => disk.syncs() === 1, { what: 'a sync is on its way' });
      const late = journal.write({ late: 1 });
      await journal.write({ kept: 1 }, 'kept');
      first.open();
      await Promise.all([...large, late]);
      expect(disk.syncs(), 'the new file is durable').to.equal(1);
    });

    it('tells every write of a batch that the file does not take', async () => {
      const openLog: typeof openLogFile = async (path, sizeBytes) => ({
        ...(await openLogFile(path, sizeBytes)),
        append: () => {
          throw new Error('planted');
        },
      });
      const journal = await own({ openLog });
      const refused = [rejection(journal.write({ a: 1 })), rejection(journal.write({ b: 1 }, 'kept'))];
      expect((await Promise.all(refused)).map(({ reason }) => reason)).to.deep.equal(['DISK_FAILED', 'DISK_FAILED']);
    });

    it('fails for good when it cannot compact', async () => {
      const journal = await own();
      // Something in the way of the new file.
      await mkdir(join(folder, 'journal.tmp'));
      await Promise.all(Array.from({ length: 12 }, (_, number) => journal.write({ [String(number)]: 'x'.repeat(100_000) })));
      await waitFor(async () => (await journal.write({ more: true }).catch((error: unknown) => error)) !== undefined, {
        what: 'it has failed',
      });
      expect((await rejection(journal.write({ more: true }))).reason).to.equal('DISK_FAILED');
      await journal.close();
      await rm(join(folder, 'journal.tmp'), { recursive: true });
      expect([...(await own()).entries('')]).to.have.length.at.least(12);
    });
  });
});

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** The keys that were written, in their order. */
function keysOf(content: Buffer): readonly string[] {
  return parseJournal(content, 'journal').records.flatMap(({ puts }) => Object.keys(puts));
}

function lastLineBytes(content: Buffer): number {
  return content.length - 1 - content.lastIndexOf('\n', content.length - 2);
}
