import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeTestFolder, openPaths, watchHandles, type TestFolder } from '@volplane/testkit';
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
    expect(await openPaths()).not.to.include(path);
  });

  it('makes durable what it keeps when it is opened, and what is appended when it is synced', async () => {
    await writeFile(path, 'keep and cut');
    const seen: string[] = [];
    const end = await watchHandles(path, ({ call }) => seen.push(call));
    try {
      const file = await openLogFile(path, 4);
      expect(seen).to.deep.equal(['truncate', 'sync']);
      file.append(Buffer.from(' and more'));
      expect(await readFile(path, 'utf8')).to.equal('keep and more');
      seen.length = 0;
      await file.sync();
      expect(seen).to.deep.equal(['datasync']);
      await file.close();
    } finally {
      end();
    }
  });
});
