import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { findIdentity } from '@volplane/host';
import { SocketWatcher } from '../src/socket-watcher.js';

const FIXTURE = fileURLToPath(new URL('fixtures/plugin-process.ts', import.meta.url));

/** What is left of the sockets when a process ends, looked at on the disk. */
describe('socket watcher', () => {
  let folder: string;
  let child: ChildProcess | undefined;

  const serve = async (...more: readonly string[]): Promise<ChildProcess> => {
    const started = spawn(process.execPath, ['--import', 'tsx', '--conditions=@volplane/source', FIXTURE, folder, ...more], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = started;
    const [text] = (await once(started.stdout, 'data')) as [Buffer];
    expect(text.toString()).to.equal('serving\n');
    return started;
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-watch-'));
  });

  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    child = undefined;
    await rm(folder, { recursive: true });
  });

  it('removes the sockets of a process that is killed', async () => {
    const process = await serve();
    expect((await readdir(folder)).sort()).to.deep.equal(['volplane-local.sock', 'volplane.sock']);
    process.kill('SIGKILL');
    await waitFor(async () => (await readdir(folder)).length === 0, { what: 'the sockets are gone' });
  });

  it('removes the discovery files of a process that is killed, and no others', async () => {
    const specs = join(folder, 'specs');
    const process = await serve(specs);
    await writeFile(join(specs, 'other.spec'), 'tcp://127.0.0.1:1');
    expect((await readdir(specs)).sort()).to.deep.equal(['other.spec', 'volplane-local.spec', 'volplane.spec']);
    process.kill('SIGKILL');
    await waitFor(async () => (await readdir(specs)).join() === 'other.spec', { what: 'the discovery files are gone' });
  });

  it('leaves alone what took the place of a socket', async () => {
    const process = await serve();
    await unlink(join(folder, 'volplane.sock'));
    await writeFile(join(folder, 'volplane.sock'), 'precious');
    process.kill('SIGKILL');
    // The watcher goes through its list in order, and volplane.sock is the first.
    await waitFor(async () => !(await readdir(folder)).includes('volplane-local.sock'), { what: 'the other socket is gone' });
    expect(await readdir(folder)).to.deep.equal(['volplane.sock']);
  });

  it('does nothing when dismissed', async () => {
    const path = join(folder, 'a.sock');
    await writeFile(path, 'mine');
    const identity = (await findIdentity(path)) ?? '';
    const watcher = await SocketWatcher.start([{ path, identity }]);
    await watcher.dismiss();
    await watcher.dismiss();
    expect(watcher.running).to.equal(false);
    expect(await readdir(folder)).to.deep.equal(['a.sock']);
  });
});
