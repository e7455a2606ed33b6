import { execFile } from 'node:child_process';
import { open, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeTestFolder, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { openLogFile } from '../src/log-file.js';

const exec = promisify(execFile);

describe('log file', () => {
  let folder: TestFolder;
  let path: string;

  beforeEach(async () => {
    folder = await makeTestFolder();
    path = join(folder.path, 'log');
  });

  afterEach(async () => {
    await folder.remove();
  });

  it('has nothing open when it cannot be opened', async () => {
    // A pipe can be opened and not be cut.
    await exec('mkfifo', [path]);
    const refused: unknown = await openLogFile(path, 0).catch((error: unknown) => error);
    expect(refused).to.have.property('code', 'EINVAL');
    const targets = await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    expect(targets).not.to.include(path);
  });

  // Whether something is on the disk shows only when the machine ends: the calls are watched instead.
  it('makes durable what it keeps when it is opened, and what is appended when it is synced', async () => {
    await writeFile(path, 'keep and cut');
    const calls = await watchedCalls();
    try {
      const file = await openLogFile(path, 4);
      expect(calls.seen).to.deep.equal(['truncate', 'sync']);
      file.append(Buffer.from(' and more'));
      expect(await readFile(path, 'utf8')).to.equal('keep and more');
      calls.seen.length = 0;
      await file.sync();
      expect(calls.seen).to.deep.equal(['datasync']);
      await file.close();
    } finally {
      calls.end();
    }
  });

  /** The calls on every file handle of this process. */
  async function watchedCalls(): Promise<{ readonly seen: string[]; readonly end: () => void }> {
    const seen: string[] = [];
    const handle = await open(path, 'r');
    await handle.close();
    const methods = Object.getPrototypeOf(handle) as Record<string, (...args: unknown[]) => unknown>; // Node's own class, which it does not export
    const ends = ['truncate', 'sync', 'datasync'].map((name) => {
      const original = methods[name];
      methods[name] = function (...args) {
        seen.push(name);
        return original?.apply(this, args);
      };
      return () => {
        if (original !== undefined) methods[name] = original;
      };
    });
    return {
      seen,
      end: () => {
        for (const end of ends) end();
      },
    };
  }
});
