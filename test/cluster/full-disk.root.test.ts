import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient, type VolplaneClient } from '@volplane/rpc';
import { isRoot, makeTestFolder, mountsBelow, waitFor, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { killGuardian } from './power.js';
import { context, persist, ServiceProcess } from './test-cluster.js';

const exec = promisify(execFile);

/** A real agent, alone with its local volumes, on a disk of its own that fills. */
describe('an agent whose disk is full', function () {
  this.timeout(120_000);
  let folder: TestFolder;
  let dataDir: string;
  let agent: ServiceProcess;
  let client: VolplaneClient | undefined;

  before(function () {
    if (!isRoot()) this.skip();
  });

  beforeEach(async () => {
    folder = await makeTestFolder();
    dataDir = join(folder.path, 'disk');
    await mkdir(dataDir);
    await exec('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dataDir]);
    agent = new ServiceProcess('node-1', 'agent', [
      '--node=node-1',
      `--data-dir=${dataDir}`,
      '--listen=127.0.0.1:0',
      '--nats=nats://127.0.0.1:1',
    ]);
  });

  afterEach(async () => {
    await client?.close();
    await agent.kill();
    await killGuardian(dataDir);
    for (const target of [...(await mountsBelow(folder.path))].reverse()) {
      // The inner one first. A guardian that had just been started ends by itself.
      await waitFor(() => exec('umount', [target]), { what: `the end of ${target}` });
    }
    await folder.remove();
  });

  it('says so, ends, leaves its mounts, and goes on with them once there is room', async () => {
    await agent.start();
    const first = connect();
    await persist(() => first.createVolume({ name: 'data', driver: 'local', options: { type: 'tmpfs', device: 'tmpfs' } }, context()));
    const { path } = await persist(() => first.mountVolume({ name: 'data', mountId: 'c1' }, context()));
    // dd ends with "no space left", which is what it is for.
    await exec('dd', ['if=/dev/zero', `of=${join(dataDir, 'filler')}`, 'bs=4k']).catch(() => undefined);
    await writeUntilItEnds(first);

    expect(agent.exitCode).to.equal(1);
    const said = (text: string): string => agent.lines.find((line) => line.includes('"level":"error"') && line.includes(text)) ?? '';
    expect(said('journal failed')).to.include('ENOSPC');
    expect(said('agent ends, to be started anew')).to.include('ENOSPC');
    expect(await mountsBelow(dataDir)).to.include(path);

    // The room that is left may take the first writes of a start.
    await agent.start().catch(() => undefined);
    await ended();
    expect(agent.exitCode).to.equal(1);

    await rm(join(dataDir, 'filler'));
    await agent.start();
    const second = connect();
    expect((await persist(() => second.getVolume({ name: 'data' }, context()))).mountIds).to.deep.equal(['c1']);
    await persist(() => second.unmountVolume({ name: 'data', mountId: 'c1' }, context()));
    expect(await mountsBelow(dataDir)).to.not.include(path);
  });

  const ended = (): Promise<unknown> => waitFor(() => !agent.alive, { what: 'the agent to end' });
  const connect = (): VolplaneClient => {
    client = createClient({ addresses: [agent.address] });
    return client;
  };
  const writeUntilItEnds = async (calls: VolplaneClient): Promise<void> => {
    for (let number = 0; agent.alive; number += 1) {
      const labels = { name: 'data', set: { number: String(number) }, drop: [] };
      // One after the other; what is refused, or not answered any more, is what is waited for.
      await calls.updateLabels(labels, context(2_000)).catch(() => undefined);
    }
  };
});
