import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@volplane/base';
import { RpcServer } from '@volplane/rpc';
import { expect } from 'chai';
import { FakeApi } from '../../../packages/rpc/test/fake-api.js';
import { runHere, type VolctlRun } from './volctl.js';

/** The command against an engine that answers from memory. Real engines: test/docker. */
describe('volctl import', () => {
  let api: FakeApi;
  let server: RpcServer;
  let engine: Server;
  let folder: string;
  const volumes: object[] = [];
  const containers: object[] = [];

  before(async () => {
    api = new FakeApi();
    server = await RpcServer.open({ listen: ['127.0.0.1:0'], log: silentLogger, clock: systemClock, api });
    folder = await mkdtemp(join(tmpdir(), 'volplane-import-'));
    engine = createServer((request, response) => {
      response.end(
        JSON.stringify(request.url?.includes('/volumes') === true ? { Volumes: volumes, Warnings: ['nfs is away'] } : containers),
      );
    });
    engine.listen(join(folder, 'engine.sock'));
    await once(engine, 'listening');
  });

  beforeEach(() => {
    api.calls.length = 0;
    api.volumes.clear();
    containers.length = 0;
    volumes.splice(0, volumes.length, volume('data'), volume('logs'), { ...volume('own'), Driver: 'local' });
  });

  after(async () => {
    await server.close(0);
    engine.close();
    await rm(folder, { recursive: true });
  });

  const volume = (name: string): object => ({
    Name: name,
    Driver: 'legacy:latest',
    Scope: 'global',
    Mountpoint: '',
    Labels: { team: 'x' },
  });
  const run = (...args: readonly string[]): Promise<VolctlRun> =>
    runHere(
      ['import', ...args, '--node', 'a', ...(args.includes('--engine') ? [] : ['--engine', `unix://${join(folder, 'engine.sock')}`])],
      {
        env: { VOLPLANE_ADDRESS: server.addresses[0] ?? '' },
      },
    );
  const creates = (): number => api.callsOf('createVolume').length;

  it('shows what it would do, with what to mind, and changes nothing', async () => {
    const shown = await run('legacy', '--driver', 'shared');
    expect(shown.code).to.equal(0);
    expect(shown.stdout)
      .to.match(/^data +data +adopt +adopts the volume that plugin legacy has/m)
      .and.match(/^logs +logs +adopt/m);
    expect(shown.stdout).not.to.contain('own');
    expect(shown.stderr)
      .to.contain('the engine says: nfs is away')
      .and.contain('data: the engine keeps the name data')
      .and.contain('nothing was changed; add --apply to adopt 2 of 2');
    expect(creates()).to.equal(0);
  });

  it('adopts with --apply, and finds it done the next time', async () => {
    const applied = await run('legacy', '--driver', 'shared', '--prefix', 'old-', '--apply');
    expect(applied).to.include({ code: 0 });
    expect(applied.stdout).to.match(/^data +old-data +adopted/m);
    expect(api.volumes.get('old-data')).to.deep.include({ options: { adopt: 'data' }, labels: { team: 'x' } });
    const again = await run('legacy', '--driver', 'shared', '--prefix', 'old-', '--apply');
    expect(again).to.include({ code: 0 });
    expect(again.stdout).to.match(/^data +old-data +done +the cluster has it already/m);
    expect(creates()).to.equal(2);
  });

  it('refuses a name that is taken and a volume that runs, adopts the rest, and ends as done in part', async () => {
    await api.createVolume({ name: 'data', driver: 'shared' }, { signal: new AbortController().signal, timeoutMs: 1_000 });
    containers.push({ Id: 'c'.repeat(64), State: 'running', Mounts: [{ Type: 'volume', Name: 'logs', Driver: 'legacy:latest' }] });
    volumes.push(volume('third'));
    const applied = await run('legacy', '--driver', 'shared', '--apply');
    expect(applied.code).to.equal(6);
    expect(applied.stdout)
      .to.match(/^data +data +refused +the cluster has another volume data, of driver shared; use a prefix$/m)
      .and.match(/^logs +logs +refused +running containers use it: cccccccccccc; stop them first$/m)
      .and.match(/^third +third +adopted/m);
  });

  it('takes only what it is told to, and tells programs as JSON', async () => {
    const shown = await run('legacy', '--driver', 'shared', '--only', 'logs', '--apply', '--output', 'json');
    expect(JSON.parse(shown.stdout)).to.deep.include({ outcomes: [{ volume: 'logs', name: 'logs' }] });
    expect((await run('legacy', '--driver', 'shared', '--only', 'none')).stderr).to.contain('the engine has no volume none');
  });

  it('says what is missing: a driver for the plugin, an engine that answers', async () => {
    const noDriver = await run('legacy');
    expect(noDriver).to.include({ code: 3 });
    expect(noDriver.stderr).to.contain('node a has no driver legacy').and.contain('--host-plugins');
    const noEngine = await run('legacy', '--driver', 'shared', '--engine', join(folder, 'none.sock'));
    expect(noEngine).to.include({ code: 4 });
    expect(noEngine.stderr).to.contain('none.sock cannot be asked');
  });
});
