import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemClock } from '@volplane/base';
import type { ArmedMount } from '@volplane/ports';
import { hasTool, isRoot, makeTestFolder, mountsBelow, rejection, waitFor, type TestFolder } from '@volplane/testkit';
import type { GuardianClient } from '../src/guardian/guardian-client.js';
import { systemMounts } from '../src/host-mounts.js';
import { GuardedMachine, UID, type LineProcess } from './guardian-processes.js';

/** The guardian process that agents start, with ext4 in loop devices: what evidence C counts on (rules 6, 7 and 19 of docs/ownership.md). */
describe('the guardian on real mounts', function () {
  this.timeout(120_000);
  let folder: TestFolder;
  let machine: GuardedMachine;

  before(async function () {
    if (!isRoot() || !(await hasTool('xfs_io')) || !(await hasTool('mkfs.ext4'))) this.skip();
  });

  beforeEach(async () => {
    folder = await makeTestFolder();
    machine = await GuardedMachine.make(folder);
  });

  afterEach(async () => {
    await machine.stop();
    await folder.remove();
  });

  const mount = (place: { readonly device: string; readonly target: string }): Promise<void> =>
    systemMounts(systemClock).mount({ type: 'ext4', source: place.device, target: place.target, options: [], mode: 'rw' });

  /** Once the guardian says so, the mount is cut off, flushed and detached. */
  const aborted = (client: GuardianClient): Promise<ArmedMount> =>
    waitFor(async () => (await client.list()).find((armed) => armed.abortedAtMs !== undefined), { what: 'the guardian to have aborted' });

  const refused = async (writer: LineProcess): Promise<void> => {
    await writer.said('refused');
    // EIO while the descriptor's file system is shut down; ext4 says EROFS when the journal was aborted first.
    expect(writer.lines.at(-1)).to.match(/^refused (EIO|EROFS)$/);
  };

  it('has a mount on its disk before it answers that it is armed', async () => {
    const { guardian, client } = await machine.startGuardian();
    const deadlineMs = client.now() + 300_000;
    const armed = { uid: UID, target: join(folder.path, 'nowhere'), method: 'shutdown' as const, deadlineMs };
    await client.arm(armed);
    await guardian.kill();
    const next = await machine.startGuardian();
    expect(await next.client.list()).to.deep.equal([armed]);
  });

  it('aborts at the deadline with its agent killed, while a writer writes on', async () => {
    const { client } = await machine.startGuardian();
    const place = await machine.makeDevice('volume');
    const agent = machine.startAgent(place, 3_000);
    await agent.said('mounted');
    const writer = machine.startWriter(join(place.target, 'file'));
    await writer.said('written 1');
    await agent.kill();
    await refused(writer);
    const armed = await aborted(client);
    expect(armed.abortedAtMs).to.be.at.least(armed.deadlineMs);
    expect(await mountsBelow(place.target)).to.deep.equal([]);
  });

  it('aborts what is past when it comes back from its own kill -9', async () => {
    const { guardian, client } = await machine.startGuardian();
    const place = await machine.makeDevice('volume');
    const deadlineMs = client.now() + 1_500;
    await client.arm({ uid: UID, target: place.target, method: 'shutdown', deadlineMs });
    await client.gate(UID, 100, () => mount(place));
    const writer = machine.startWriter(join(place.target, 'file'));
    await writer.said('written 1');
    await guardian.kill();
    await waitFor(() => client.now() > deadlineMs, { what: 'the deadline to pass' });
    const { length } = writer.lines;
    await waitFor(() => writer.lines.length > length, { what: 'the writer to go on, for nobody guards' });

    // The abort is done before it serves.
    await machine.startGuardian();
    expect(await mountsBelow(place.target)).to.deep.equal([]);
    await refused(writer);
  });

  it('moves the deadline of a living mount, and never that of one which has passed', async () => {
    const { client } = await machine.startGuardian();
    const place = await machine.makeDevice('volume');
    const deadlineMs = client.now() + 1_500;
    await client.arm({ uid: UID, target: place.target, method: 'shutdown', deadlineMs });
    await client.gate(UID, 100, () => mount(place));
    client.extend(deadlineMs + 1_500);
    client.extend(deadlineMs + 500);
    await waitFor(() => client.now() > deadlineMs + 200, { what: 'the first deadline to pass' });
    expect((await client.list())[0]).to.deep.include({ deadlineMs: deadlineMs + 1_500 });
    await writeFile(join(place.target, 'file'), 'still mine');

    await aborted(client);
    expect(await mountsBelow(place.target)).to.deep.equal([]);
    client.extend(client.now() + 300_000);
    expect((await client.list())[0]?.deadlineMs).to.equal(deadlineMs + 1_500);
  });

  it('opens no gate that could be through only after the deadline', async () => {
    const { client } = await machine.startGuardian();
    const place = await machine.makeDevice('volume');
    await client.arm({ uid: UID, target: place.target, method: 'shutdown', deadlineMs: client.now() + 5_000 });
    const error = await rejection(client.gate(UID, 60_000, () => mount(place)));
    expect(error).to.have.property('reason', 'SESSION_LOST');
    expect(await mountsBelow(place.target)).to.deep.equal([]);
  });

  it('aborts a mount that appears behind its gate, and never answers it', async () => {
    const { client } = await machine.startGuardian();
    const place = await machine.makeDevice('volume');
    const deadlineMs = client.now() + 1_000;
    await client.arm({ uid: UID, target: place.target, method: 'shutdown', deadlineMs });
    const late = client.gate(UID, 300, async () => {
      await waitFor(() => client.now() > deadlineMs, { what: 'a mount call that takes too long' });
      await mount(place);
      return 'mounted';
    });
    expect(await rejection(late)).to.have.property('reason', 'SESSION_LOST');
    expect(await mountsBelow(place.target)).to.deep.equal([]);
  });

  it('aborts a mount that appears long after its deadline, with nobody left to tell of it', async () => {
    const { client } = await machine.startGuardian();
    const place = await machine.makeDevice('volume');
    const agent = machine.startAgent({ ...place, device: join(folder.path, 'no-such-device') }, 1_000);
    await agent.said('MOUNT_FAILED');
    await agent.kill();
    const [armed] = await client.list();
    await waitFor(() => client.now() > (armed?.deadlineMs ?? Infinity), { what: 'the deadline to pass with nothing mounted' });
    // The mount call of the agent that is gone, carried out late.
    await mount(place);
    await aborted(client);
    expect(await mountsBelow(place.target)).to.deep.equal([]);
  });

  it('ends by itself when nothing is armed and nobody is connected, and stays while something is', async () => {
    const { guardian, client } = await machine.startGuardian();
    await client.arm({ uid: UID, target: join(folder.path, 'nowhere'), method: 'shutdown', deadlineMs: client.now() + 300_000 });
    const second = machine.startAgent({ device: 'none', target: join(folder.path, 'nowhere') }, 300_000);
    await second.said('MOUNT_FAILED');
    await second.kill();
    expect(guardian.ended).to.equal(false);
    await client.disarm(UID);
    machine.disconnect();
    await waitFor(() => guardian.ended, { what: 'the idle guardian to end' });
    expect(guardian.exitCode).to.equal(0);
  });
});
