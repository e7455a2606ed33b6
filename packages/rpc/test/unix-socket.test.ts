import { once } from 'node:events';
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger, systemClock } from '@volplane/base';
import { RpcServer } from '@volplane/rpc';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { FakeApi } from './fake-api.js';
import { patient, RpcWorld } from './world.js';

describe('RPC over a unix socket', () => {
  const world = new RpcWorld();
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-rpc-'));
    path = join(folder, 'agent.sock');
  });

  afterEach(async () => {
    await world.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('serves calls to owner and group, and takes the socket away at close', async () => {
    const server = await world.server(new FakeApi(), { listen: [`unix:${path}`] });
    expect(server.addresses).to.deep.equal([`unix:${path}`]);
    expect((await stat(path)).mode & 0o777).to.equal(0o660);
    expect(await world.client(server.addresses).createVolume({ name: 'data' }, patient())).to.have.property('name', 'data');
    expect((await world.client([`unix://${path}`]).listVolumes({}, patient())).volumes).to.have.length(1);
    await server.close(0);
    expect(await findFile(path)).to.equal(undefined);
  });

  it('replaces the socket of a process that was killed', async () => {
    const killed = fork(fileURLToPath(new URL('fixtures/socket-process.ts', import.meta.url)), [path], { execArgv: process.execArgv });
    await once(killed, 'message');
    await kill(killed);
    expect(await findFile(path)).not.to.equal(undefined);
    const server = await world.server(new FakeApi(), { listen: [`unix:${path}`] });
    await world.client(server.addresses).listVolumes({}, patient());
  });

  it('refuses the socket of a living process, and leaves it alone', async () => {
    const living = await world.server(new FakeApi(), { listen: [`unix:${path}`] });
    expect((await rejection(open(`unix:${path}`))).reason).to.equal('FOREIGN_DATA');
    await world.client(living.addresses).listVolumes({}, patient());
  });

  it('refuses a file that is no socket, and leaves it alone', async () => {
    await writeFile(path, 'precious');
    expect((await rejection(open(`unix:${path}`))).reason).to.equal('FOREIGN_DATA');
    expect(await readFile(path, 'utf8')).to.equal('precious');
  });

  it('refuses a path that the kernel would cut', async () => {
    const error = await rejection(open(`unix:${join(folder, 'x'.repeat(108))}`));
    expect(error.reason).to.equal('INVALID_ARGUMENT');
    expect(error.message).to.include('107 bytes');
  });
});

function open(address: string): Promise<RpcServer> {
  return RpcServer.open({ listen: [address], log: silentLogger, clock: systemClock, api: new FakeApi() });
}

async function findFile(path: string): Promise<unknown> {
  return await stat(path).catch(() => undefined);
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}
