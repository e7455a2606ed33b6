import { AppError, silentLogger, systemClock, type Reason } from '@volplane/base';
import type { MountId } from '@volplane/domain';
import { RpcServer } from '@volplane/rpc';
import { expect } from 'chai';
import { FakeApi } from '../../../packages/rpc/test/fake-api.js';
import { runHere, type VolctlRun } from './volctl.js';

/** Every command against a real server, behind which is an API in memory. The program as a process: program.test.ts. */
describe('volctl commands', () => {
  let api: FakeApi;
  let server: RpcServer;

  before(async () => {
    api = new FakeApi();
    server = await RpcServer.open({ listen: ['127.0.0.1:0'], log: silentLogger, clock: systemClock, api });
    server.setServing(true);
  });

  beforeEach(() => {
    api.before = () => undefined;
    api.calls.length = 0;
    api.volumes.clear();
  });

  after(() => server.close(0));

  const address = (): string => server.addresses[0] ?? '';
  const ctl = (...args: readonly string[]): Promise<VolctlRun> => runHere(args, { env: { VOLPLANE_ADDRESS: address() } });
  const requestOf = (method: Parameters<FakeApi['callsOf']>[0]): unknown => api.callsOf(method).at(-1)?.request;

  /** A command that must succeed. @returns what it printed */
  async function ok(...args: readonly string[]): Promise<string> {
    const run = await ctl(...args);
    expect(run, args.join(' ')).to.include({ code: 0 });
    return run.stdout;
  }

  async function json(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await ok(...args, '--output', 'json'));
  }

  it('creates with everything that a volume can have, and shows it in a table', async () => {
    const words =
      'create data -d shared --opt quota=5 --opt path=a=b -l app=db -l here --access-mode multi-node-multi-writer --takeover lease';
    const shown = await ok(...words.split(' '), '--size', '1.5GiB', '--node', 'b', '--topology', 'zone=b', '--from', 'old@monday');
    expect(requestOf('createVolume')).to.deep.equal({
      name: 'data',
      driver: 'shared',
      options: { quota: '5', path: 'a=b' },
      labels: { app: 'db', here: '' },
      accessMode: 'multi-node-multi-writer',
      takeover: 'lease',
      sizeBytes: 1.5 * 2 ** 30,
      node: 'b',
      topology: { zone: 'b' },
      source: { volume: 'old', snapshot: 'monday' },
    });
    expect(shown).to.equal(
      'NAME  DRIVER  SCOPE   NODE  PHASE  ACCESS                   SIZE     ATTACHED ON\n' +
        'data  shared  global  b     ready  multi-node-multi-writer  1.5 GiB  -\n',
    );
  });

  it('lists every page with its filters, as a table, as names and as JSON, and names who did not answer', async () => {
    await Promise.all(
      Array.from({ length: 501 }, (_, index) => api.createVolume({ name: `data${String(index).padStart(3, '0')}` }, CONTEXT)),
    );
    const run = await ctl(
      'ls',
      '--name-prefix',
      'data',
      '--dangling',
      'true',
      '-l',
      'app',
      '--scope',
      'global',
      '-d',
      'shared',
      '--stale',
      '-q',
    );
    expect(run.stdout.trimEnd().split('\n')).to.have.length(501);
    // The warning says what became of the volumes of a silent node: the manager shows them as last known.
    expect(run.stderr).to.equal('volctl: node b did not answer\n');
    expect(api.callsOf('listVolumes')[0]?.request).to.deep.equal({
      pageSize: 500,
      filter: { namePrefix: 'data', dangling: true, labels: { app: '' }, scope: 'global', drivers: ['shared'] },
      stale: true,
    });
    expect(api.callsOf('listVolumes')).to.have.length(2);
    expect(await json('ls', '--name', 'data007')).to.have.nested.property('volumes[0].name', 'data007');
  });

  it('inspects, labels, expands, transfers, forgets', async () => {
    await api.createVolume({ name: 'data', labels: { old: '1' } }, CONTEXT);
    expect(await ok('label', 'data', 'app=db', 'old-', '--takeover', 'lease'))
      .to.match(/^takeover: +lease$/m)
      .and.match(/^labels:\n {2}app=db$/m);
    expect(requestOf('updateLabels')).to.deep.equal({ name: 'data', set: { app: 'db' }, drop: ['old'], takeover: 'lease' });
    await ok('expand', 'data', '20g');
    await ok('transfer', 'data', 'b');
    const shown = await ok('inspect', 'data');
    expect(shown)
      .to.match(/^owner: +b$/m)
      .and.match(/^size: +20 GiB$/m)
      .and.match(/^labels:\n {2}app=db$/m);
    expect(await json('inspect', 'data')).to.have.nested.property('[0].takeover', 'lease');
    expect(await ok('forget', 'data')).to.equal('data\n');
  });

  it('mounts for scripts: the path alone, and nothing at unmount', async () => {
    await api.createVolume({ name: 'data' }, CONTEXT);
    expect(await ok('mount', 'data', '--id', 'c1', '--node', 'a', '--mode', 'rw')).to.equal('/var/lib/volplane/data\n');
    expect(await ok('path', 'data', '--node', 'a')).to.equal('/var/lib/volplane/data\n');
    expect(await ok('status', 'data')).to.equal('folder:  /srv/data\n');
    expect(await ok('unmount', 'data', '--id', 'c1', '--seq', '7')).to.equal('');
    expect(requestOf('unmountVolume')).to.deep.equal({ name: 'data', mountId: 'c1', seq: 7 });
    const run = await ctl('path', 'data');
    expect(run).to.deep.equal({ code: 3, stdout: '', stderr: 'volctl: volume data is not mounted there\n' });
  });

  it('tells a refusal with its facts and what would free it, and ends with 1', async () => {
    await api.createVolume({ name: 'data' }, CONTEXT);
    await api.mountVolume({ name: 'data', node: 'a', mountId: 'c1' }, CONTEXT);
    const run = await ctl('mount', 'data', '--id', 'c2', '--node', 'b');
    expect(run).to.include({ code: 1, stdout: '' });
    expect(run.stderr)
      .to.include('volume data is held by node a in mode rw (VOLUME_HELD)')
      .and.match(/^ +mountIds +c1$/m);
    expect(run.stderr)
      .to.include('What to do: unmount it on a')
      .and.not.match(/^ +freedBy/m);
    expect((await ctl('mount', 'other', '--id', 'c2')).stderr).to.include('What to do: Check the name');
    const forPrograms = await ctl('mount', 'data', '--id', 'c2', '--node', 'b', '--output', 'json');
    expect(JSON.parse(forPrograms.stderr)).to.have.nested.property('error.fields.holder', 'a');
  });

  it('says what a create leaves as it is at a volume that exists', async () => {
    const first = await ctl('create', 'data', '-d', 'shared', '-l', 'app=db', '--takeover', 'lease');
    expect(first).to.include({ code: 0, stderr: '' });
    expect((await ctl('create', 'data', '-d', 'shared')).stderr).to.equal('');
    const again = await ctl('create', 'data', '-d', 'shared', '-l', 'app=web', '--takeover', 'manual');
    expect(again.code).to.equal(0);
    expect(again.stderr).to.equal(
      'volctl: volume data was there already and keeps its labels and takeover policy lease; volctl label changes them\n',
    );
  });

  it('says who uses a volume still after an unmount, and that there is none of the name', async () => {
    await api.createVolume({ name: 'data' }, CONTEXT);
    api.volumes.set('data', { ...(await api.getVolume({ name: 'data' }, CONTEXT)), mountIds: ['c2' as MountId] });
    expect(await ctl('unmount', 'data', '--id', 'c1')).to.deep.equal({
      code: 0,
      stdout: '',
      stderr: 'volctl: volume data stays mounted there for c2\n',
    });
    expect(await ctl('umount', 'data', '--id', 'c1', '--output', 'json')).to.include({ code: 0, stderr: '' });
  });

  it('says since when a node is gone, and doubts when most are', async () => {
    const before = [...api.nodes.values()];
    for (const { sessionSince: _, ...node } of before) api.nodes.set(node.name, { ...node, state: 'gone', goneSince: 'noon' });
    expect(await ok('nodes', 'a')).to.match(/^session since: +- \(gone since noon\)$/m);
    expect((await ctl('node-lost', 'a')).stderr).to.include(
      '2 of 2 nodes are gone: look at NATS and the network before you declare any of them lost',
    );
    for (const node of before) api.nodes.set(node.name, node);
  });

  it('goes on after a refusal of one of several, and ends as the first refusal says', async () => {
    await api.createVolume({ name: 'data' }, CONTEXT);
    const run = await ctl('rm', 'none', 'data', '/etc');
    expect(run).to.include({ code: 3, stdout: 'data\n' });
    expect(run.stderr).to.include('VOLUME_NOT_FOUND').and.include('INVALID_NAME');
    expect(api.volumes.size).to.equal(0);
  });

  for (const [reason, code] of [
    ['VOLUME_CONFLICT', 1],
    ['CAPABILITY_MISSING', 1],
    ['INVALID_OPTION', 2],
    ['DRIVER_NOT_FOUND', 3],
    ['OVERLOADED', 4],
    ['UNKNOWN_OUTCOME', 4],
    ['DEADLINE_EXCEEDED', 4],
    ['GENERATION_STALE', 5],
    ['INTERNAL', 70],
  ] satisfies [Reason, number][]) {
    it(`ends with ${String(code)} for ${reason}`, async () => {
      api.before = () => {
        throw new AppError(reason, 'so it is');
      };
      const run = await ctl('create', 'data');
      expect(run).to.include({ code, stdout: '' });
      expect(run.stderr).to.include(reason);
    });
  }

  it('ends with 4 when nobody answers, and says where it asked', async () => {
    const run = await runHere(['ls'], { env: { VOLPLANE_ADDRESS: '127.0.0.1:1,unix:/nowhere.sock' } });
    expect(run.code).to.equal(4);
    expect(run.stderr).to.include('UNREACHABLE').and.include('127.0.0.1:1, unix:/nowhere.sock');
    expect(run.stderr).to.match(/^Cause: .*ENOENT/m);
    const forPrograms = await runHere(['ls', '--output', 'json'], { env: { VOLPLANE_ADDRESS: '127.0.0.1:1' } });
    expect(JSON.parse(forPrograms.stderr)).to.have.nested.property('error.cause').that.includes('ECONNREFUSED');
  });

  it('asks the next address, given as a flag, when the first does not answer', async () => {
    const run = await runHere(['health', '--address', `127.0.0.1:1,${address()}`]);
    expect(run).to.deep.equal({ code: 0, stdout: `${address()} serves\n`, stderr: '' });
    server.setServing(false);
    expect((await ctl('health')).code).to.equal(4);
    server.setServing(true);
  });

  it('ends a call that takes too long with 4', async () => {
    api.before = ({ context }) =>
      new Promise((resolve) => {
        context.signal.addEventListener('abort', () => {
          resolve();
        });
      });
    const run = await ctl('create', 'data', '--timeout-ms', '300');
    expect(run.code).to.equal(4);
    expect(run.stderr).to.include('DEADLINE_EXCEEDED').and.include('outcome is unknown');
  });

  it('refuses what it does not understand with 2, and calls nobody', async () => {
    const wrong = [
      'frobnicate',
      'create',
      'create a b',
      'create data --frob',
      'create data --access-mode everybody',
      'create data --size many',
      'create data --opt =x',
      'create data --from a@b@c',
      'ls --scope world',
      'mount data',
      'unmount data --id c1 --seq x',
      'ls --output yaml',
      'ls --timeout-ms 0',
      'ls --address nowhere',
      'release data a',
      'release data a --note x --on-evidence',
      'node-lost a --confirm r42',
      'ls --tls-ca /nowhere.pem',
      'ls --tls-cert /nowhere.pem',
      'ls --tls-key /nowhere.pem',
      'rm one two --uid 5',
      'label data',
    ];
    for (const words of wrong) {
      const run = await ctl(...words.split(' '));
      expect(run, words).to.include({ code: 2, stdout: '' });
      expect(run.stderr, words).not.to.equal('');
    }
    expect(api.calls).to.deep.equal([]);
  });

  it('sends nothing in clear text when any of the TLS settings was given', async () => {
    expect((await ctl('ls', '--tls-server-name', 'manager')).code).to.equal(4);
    expect(api.calls).to.deep.equal([]);
  });

  it('refuses in JSON for programs, also what it does not understand', async () => {
    const wrong = [
      'mount data',
      'frobnicate',
      'ls --timeout-ms 0',
      'ls --tls-cert /nowhere.pem',
      'ls --output=json --frob',
      'snapshot',
      '',
    ];
    for (const words of wrong) {
      const json = words.includes('json') ? [] : ['--output', 'json'];
      const run = await ctl(...json, ...(words === '' ? [] : words.split(' ')));
      expect(run, words).to.include({ code: 2, stdout: '' });
      expect(JSON.parse(run.stderr), words).to.have.property('error').that.includes({ reason: 'INVALID_ARGUMENT', kind: 'invalid' });
    }
    const byVariable = await runHere(['mount', 'data'], { env: { VOLPLANE_OUTPUT: 'json' } });
    expect(JSON.parse(byVariable.stderr)).to.have.nested.property('error.message').that.includes('--id');
  });

  it('ends an attachment on an operator’s word, or on evidence', async () => {
    await api.createVolume({ name: 'data' }, CONTEXT);
    await ok('release', 'data', 'a', '--note', 'burnt, says Ann');
    expect(requestOf('forceRelease')).to.deep.equal({ name: 'data', node: 'a', note: 'burnt, says Ann' });
    await ok('release', 'data', 'a', '--on-evidence');
    expect(requestOf('releaseGone')).to.deep.equal({ name: 'data', node: 'a' });
  });

  it('shows the plan of a lost node and changes nothing, until the plan is confirmed', async () => {
    const shown = await ctl('node-lost', 'a');
    expect(shown.stdout)
      .to.include('r42')
      .and.match(/^data +yes +yes +may still be written by the node$/m);
    expect(shown.stderr).to.include('nothing was changed').and.include('--confirm r42');
    expect(api.callsOf('declareNodeLost')).to.deep.equal([]);
    expect((await ctl('node-lost', 'a', '--confirm', 'r1', '--note', 'x')).code).to.equal(5);
    expect(await ok('node-lost', 'a', '--confirm', 'r42', '--note', 'gone, says Ann')).to.match(/^done: +yes$/m);
  });

  it('shows, cordons and drains nodes; a drain that leaves something ends with 6', async () => {
    expect(await ok('nodes')).to.match(/^a +connected +shared +0 +0 +0\.1\.0 +zone=a$/m);
    expect(await ok('cordon', 'a', 'b')).to.match(/^b +connected, cordoned/m);
    expect(await ok('uncordon', 'a', 'b')).not.to.include('cordoned');
    expect(await ok('nodes', 'a')).to.match(/^name: +a$/m);
    const drain = await ctl('drain', 'a');
    expect(drain.code).to.equal(6);
    expect(drain.stdout).to.include('stays (local): it lives on this node');
  });

  it('shows drivers, their options and their room', async () => {
    expect(await ok('drivers')).to.match(/^shared +global +single-node-writer +manual,lease +size,expand,snapshot,abort +a,b$/m);
    expect(await ok('drivers', '--options', '--node', 'a'))
      .to.include('quota: bytes that the folder may hold')
      .and.match(/^access modes: +single-node-writer, multi-node-multi-writer$/m)
      .and.match(/^takeover: +manual, lease$/m);
    expect(await ok('capacity', 'shared')).to.match(/^available: +931.3 GiB$/m);
  });

  it('takes, lists and removes snapshots', async () => {
    await api.createVolume({ name: 'data' }, CONTEXT);
    await ok('snapshot', 'create', 'data', 'monday');
    expect(await ok('snapshot', 'ls', 'data')).to.match(/^data +monday +shared +a +4 KiB .* yes$/m);
    await ok('snapshot', 'rm', 'data', 'monday');
    expect(await json('snapshot', 'ls')).to.deep.equal({ snapshots: [], unansweredNodes: ['b'] });
  });

  it('explains who holds a volume and what would free it', async () => {
    await api.createVolume({ name: 'data' }, CONTEXT);
    await api.mountVolume({ name: 'data', node: 'a', mountId: 'c1' }, CONTEXT);
    const shown = await ok('explain', 'data', '--for-node', 'b', '--at-revision', '5');
    expect(requestOf('explainVolume')).to.deep.equal({ name: 'data', forNode: 'b', atRevision: 5 });
    expect(shown).to.include('used by: c1').and.include('freed by: unmount c1 on node a').and.include('would be refused: held by node a');
    expect(await json('explain', 'data')).to.have.nested.property('holders[0].attachment.node', 'a');
  });

  it('shows text of others without letting it act on the terminal', async () => {
    await api.createVolume({ name: 'data', labels: { note: '\u001b[2Jcleared\u202e\nname: other' } }, CONTEXT);
    expect(await ok('inspect', 'data')).to.include('note=\\u001b[2Jcleared\\u202e\\u000aname: other');
  });

  it('tells its exit codes in the help, and its version', async () => {
    expect(await ok('--help')).to.match(/Exit codes:\n {2}0 +done\n {2}1 +refused/);
    expect(await ok('--version')).to.equal('0.1.0\n');
    expect(await ok('create', '--help'))
      .to.include('--access-mode')
      .and.include('--output json')
      .and.include('volctl --help');
    expect(await ok('mount', '--help')).to.match(/--id <mount-id> +required: /);
  });

  describe('completion', () => {
    const next = async (...words: readonly string[]): Promise<readonly string[]> =>
      (await ok('__complete', '--', ...words)).trimEnd().split('\n');

    it('offers commands, options, choices and names', async () => {
      await api.createVolume({ name: 'data' }, CONTEXT);
      expect(await next('ins'))
        .to.include.members(['inspect', 'create', 'explain'])
        .and.not.include('__complete');
      expect(await next('snapshot', '')).to.deep.equal(['create', 'rm', 'ls']);
      expect(await next('ls', '--')).to.include.members(['--dangling', '--output']);
      expect(await next('create', '--access-mode', '')).to.include('single-node-writer');
      expect(await next('inspect', '')).to.deep.equal(['data']);
      expect(await next('--output', 'json', 'inspect', 'data', '')).to.deep.equal(['data']);
      expect(await next('mount', 'data', '--node', '')).to.deep.equal(['a', 'b']);
      expect(await next('transfer', 'data', '')).to.deep.equal(['a', 'b']);
      expect(await next('completion', '')).to.deep.equal(['bash', 'zsh', 'fish']);
    });

    it('offers nothing, and says nothing, when nobody answers', async () => {
      const run = await runHere(['__complete', '--', 'inspect', ''], { env: { VOLPLANE_ADDRESS: '127.0.0.1:1' } });
      expect(run).to.deep.equal({ code: 0, stdout: '', stderr: '' });
    });
  });
});

const CONTEXT = { signal: new AbortController().signal, timeoutMs: 1_000 };
