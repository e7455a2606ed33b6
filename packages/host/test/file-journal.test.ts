import { fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasReason, silentLogger } from '@volplane/base';
import { FileJournal } from '@volplane/host';
import { journalContract, rejection } from '@volplane/testkit';
import { expect } from 'chai';

const makeFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'volplane-journal-'));
const openJournal = (folder: string, logBytesMax = 1_000_000): Promise<FileJournal> => FileJournal.open({ folder, log: silentLogger, logBytesMax });

journalContract('FileJournal', async () => {
  const folder = await makeFolder();
  return {
    open: () => openJournal(folder),
    // Within one process there is no crash; the kill -9 below is one.
    crash: (journal) => journal.close(),
    dispose: () => rm(folder, { recursive: true }),
  };
});

describe('FileJournal', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await makeFolder();
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('keeps every acknowledged write of a process that is killed', async () => {
    const child = fork(fileURLToPath(new URL('journal-writer.ts', import.meta.url)), [folder], { execArgv: ['--import=tsx', '--conditions=@volplane/source'] });
    let acknowledged = -1;
    child.on('message', (value) => {
      acknowledged = Number(value);
      if (acknowledged >= 300) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    const journal = await openJournal(folder);
    expect(acknowledged).to.be.at.least(300);
    for (let value = 0; value <= acknowledged; value += 1) expect(journal.get(`k/${String(value)}`), `write ${String(value)}`).to.equal(value);
    await journal.close();
  });

  it('cuts off a torn last line and goes on', async () => {
    const journal = await openJournal(folder);
    await journal.write({ a: 1 });
    await journal.close();
    await appendFile(join(folder, 'log-0'), '12345678 {"set":{"b"');
    const next = await openJournal(folder);
    expect(next.get('a')).to.equal(1);
    expect(next.get('b')).to.equal(undefined);
    await next.write({ c: 3 });
    await next.close();
    const last = await openJournal(folder);
    expect(last.get('c')).to.equal(3);
    await last.close();
  });

  it('refuses a log that is damaged in the middle, and leaves it as it is', async () => {
    const journal = await openJournal(folder);
    await journal.write({ a: 1 });
    await journal.write({ b: 2 });
    await journal.close();
    const path = join(folder, 'log-0');
    const damaged = (await readFile(path, 'utf8')).replace('"a":1', '"a":7');
    await writeFile(path, damaged);
    expect(hasReason(await rejection(openJournal(folder)), 'DISK_FAILED')).to.equal(true);
    expect(await readFile(path, 'utf8')).to.equal(damaged);
  });

  it('replaces a grown log by a snapshot and keeps everything', async () => {
    const journal = await openJournal(folder, 2_000);
    for (let value = 0; value < 500; value += 1) await journal.write({ [`k/${String(value % 50)}`]: value });
    await journal.close();
    expect((await readdir(folder)).length).to.be.at.most(2);
    const next = await openJournal(folder, 2_000);
    expect([...next.entries('k/')]).to.have.length(50);
    expect(next.get('k/49')).to.equal(499);
    await next.close();
  });

  it('is opened by one process at a time', async () => {
    const journal = await openJournal(folder);
    const error = await rejection(openJournal(folder));
    expect(hasReason(error, 'DISK_FAILED')).to.equal(true);
    expect(String(error)).to.include('in use by another process');
    await journal.close();
    await (await openJournal(folder)).close();
  });
});
