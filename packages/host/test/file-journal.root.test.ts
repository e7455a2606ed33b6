import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { silentLogger } from '@volplane/base';
import { isRoot, rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { FileJournal } from '../src/file-journal.js';

const exec = promisify(execFile);

describe('file journal and containers', () => {
  it('is refused to a process in other network and process namespaces', async function () {
    if (!isRoot()) this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'volplane-shared-'));
    const journal = await FileJournal.open({ folder, log: silentLogger });
    try {
      const script = fileURLToPath(new URL('journal-process.ts', import.meta.url));
      const args = ['--net', '--pid', '--fork', process.execPath, '--import=tsx', '--conditions=@volplane/source', script, folder];
      const refused: unknown = await exec('unshare', args).catch((error: unknown) => error);
      expect(refused).to.have.property('stderr').that.includes('is in use by another process');
    } finally {
      await journal.close();
      await rm(folder, { recursive: true });
    }
  });
});

/** A journal on a file system of its own, so small that it fills. */
describe('file journal on a full disk', () => {
  let place: string;

  before(function () {
    if (!isRoot()) this.skip();
  });

  beforeEach(async () => {
    place = await mkdtemp(join(tmpdir(), 'volplane-full-'));
    await mkdir(join(place, 'disk'));
    await exec('mount', ['-t', 'tmpfs', 'tmpfs', join(place, 'disk')]);
  });

  afterEach(async () => {
    await exec('umount', [join(place, 'disk')]);
    await rm(place, { recursive: true });
  });

  for (const [when, size] of [
    ['a write', '512k'],
    ['a compaction', '1200k'],
  ] as const) {
    it(`fails for good in ${when}, has every acknowledged write afterwards, and writes again once there is room`, async () => {
      await fill(size);
    });
  }

  async function fill(size: string): Promise<void> {
    await exec('mount', ['-o', `remount,size=${size}`, join(place, 'disk')]);
    const folder = join(place, 'disk', 'journal');
    const journal = await FileJournal.open({ folder, log: silentLogger });
    let acknowledged = 0;
    for (;;) {
      const outcome: unknown = await journal
        .write({ [`key/${String(acknowledged)}`]: 'x'.repeat(10_000) })
        .catch((error: unknown) => error);
      if (outcome !== undefined) break;
      acknowledged += 1;
    }
    expect(acknowledged).to.be.greaterThan(40);
    const refusal = await rejection(journal.write({ small: 1 }));
    expect(refusal.reason).to.equal('DISK_FAILED');
    expect(refusal.cause).to.have.property('code', 'ENOSPC');
    await journal.close();

    await exec('mount', ['-o', 'remount,size=8m', join(place, 'disk')]);
    const next = await FileJournal.open({ folder, log: silentLogger });
    expect([...next.entries('key/')]).to.have.length.at.least(acknowledged);
    await next.write({ small: 2 });
    expect(next.get('small')).to.equal(2);
    await next.close();
  }
});
