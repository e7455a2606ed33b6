import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolplaneClient } from '@volplane/rpc';
import { isRoot, makeTestFolder, waitFor, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { context, persist, TestCluster, type ServiceProcess } from './test-cluster.js';

/**
 * Rule 18 of docs/ownership.md with a real agent and the kernel: in a mount namespace where mount(8) can be made to wait, the agent is killed
 * while a mount is on its way, and comes back.
 */
describe('an agent that was killed in the middle of a mount', function () {
  this.timeout(180_000);
  let folder: TestFolder;
  let namespace: ChildProcess;
  let cluster: TestCluster;
  let agent: ServiceProcess;
  let client: VolplaneClient;

  before(async function () {
    if (!isRoot()) this.skip();
    folder = await makeTestFolder();
    await mkdir(inFolder('bin'));
    await writeFile(inFolder('bin/mount'), slowMount(folder.path), { mode: 0o755 });
    // Agents look for programs in /usr/local/sbin first.
    const script = `mount --bind ${inFolder('bin')} /usr/local/sbin && mkfifo ${inFolder('gate')} && touch ${inFolder('ready')} && exec sleep infinity`;
    namespace = spawn('unshare', ['--mount', 'sh', '-c', script], { stdio: 'ignore' });
    await waitFor(() => isThere('ready'), { what: 'the namespace of the agent' });
    cluster = await TestCluster.start({
      managers: 1,
      agents: 1,
      drivers: async (path) => {
        await mkdir(join(path, 'images'));
        return [{ name: 'image', kind: 'image', root: join(path, 'images'), scope: 'global', defaultSize: '16m', unguarded: true }];
      },
      // Who enters a namespace stands at its root.
      via: ['nsenter', `--mount=/proc/${String(namespace.pid)}/ns/mnt`, '--', 'sh', '-c', 'cd "$0" && exec "$@"', process.cwd()],
    });
    const [manager] = cluster.managers;
    const [only] = cluster.agents;
    if (manager === undefined || only === undefined) throw new Error('a manager and an agent were asked for');
    agent = only;
    client = cluster.client(manager);
  });

  after(async () => {
    await cluster?.stop();
    // The namespace ends with its last process, and the mounts in it.
    namespace?.kill('SIGKILL');
    await folder?.remove();
  });

  it('ends the program before it releases the volume, and the mount never appears', async () => {
    await persist(() => client.createVolume({ name: 'data', driver: 'image', accessMode: 'single-node-writer' }, context()));
    await writeFile(inFolder('slow'), '');
    const mounting = client.mountVolume({ name: 'data', node: 'node-1', mountId: 'c1' }, context()).catch((error: unknown) => error);
    await waitFor(() => isThere('pid'), { what: 'mount(8) to be on its way' });
    const pid = (await readFile(inFolder('pid'), 'utf8')).trim();

    await agent.kill('SIGKILL');
    expect(await isRunning(pid)).to.equal(true);
    await agent.start();
    await waitFor(async () => (await client.getVolume({ name: 'data' }, context())).attachments.length === 0, {
      what: 'the volume to be released',
      timeoutMs: 60_000,
    });
    expect(await isRunning(pid)).to.equal(false);
    // A mount(8) that still waited would go on now.
    expect(await openGate()).to.equal('nobody waits');
    expect(await mountsOfTheNode()).to.not.include('ext4');
    expect(await mounting).to.be.instanceOf(Error);
    expect(agent.lines.join('\n')).to.include('program of an earlier life of the agent is ended');

    const { path } = await persist(() => client.mountVolume({ name: 'data', node: 'node-1', mountId: 'c2' }, context()));
    expect(await mountsOfTheNode()).to.include(`${path} `);
    await persist(() => client.unmountVolume({ name: 'data', node: 'node-1', mountId: 'c2' }, context()));
  });

  const inFolder = (name: string): string => join(folder.path, name);

  const isThere = async (name: string): Promise<boolean> =>
    await access(inFolder(name)).then(
      () => true,
      () => false,
    );

  /** One that has ended and waits for whoever reaps it does not run. */
  const isRunning = async (pid: string): Promise<boolean> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
    return !/\) [ZX]/.test(stat);
  };

  const mountsOfTheNode = async (): Promise<string> => {
    const table = await readFile(`/proc/${String(namespace.pid)}/mountinfo`, 'utf8');
    return table
      .split('\n')
      .filter((line) => line.includes(cluster.folder))
      .join('\n');
  };

  /** Lets go on who waits at the gate. */
  const openGate = async (): Promise<string> => {
    try {
      const gate = await open(inFolder('gate'), constants.O_WRONLY | constants.O_NONBLOCK);
      await gate.write('go\n');
      await gate.close();
      return 'somebody waited';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENXIO') return 'nobody waits';
      throw error;
    }
  };
});

/** mount(8), except that the next one of an ext4 waits at the gate while the file `slow` is there. */
function slowMount(folder: string): string {
  return `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
case "$*" in
*"-t ext4"*)
  if rm ${folder}/slow 2> /dev/null; then
    echo $$ > ${folder}/pid.new
    mv ${folder}/pid.new ${folder}/pid
    read line < ${folder}/gate
  fi ;;
esac
exec mount "$@"
`;
}
