import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLogger, systemClock } from '@volplane/base';
import { RpcServer } from '@volplane/rpc';
import { hasTool } from '@volplane/testkit';
import { expect } from 'chai';
import { FakeApi } from '../../../packages/rpc/test/fake-api.js';
import { PATH_OF_TESTS, VOLCTL, volctl, type VolctlRun } from './volctl.js';

/** The real program, as a process, against a real server. */
describe('volctl program', () => {
  let api: FakeApi;
  let server: RpcServer;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-ctl-'));
    api = new FakeApi();
    server = await RpcServer.open({ listen: ['127.0.0.1:0'], log: silentLogger, clock: systemClock, api });
  });

  beforeEach(() => {
    api.calls.length = 0;
    api.volumes.clear();
  });

  after(async () => {
    await server.close(0);
    await rm(folder, { recursive: true, force: true });
  });

  const address = (): string => server.addresses[0] ?? '';
  const ctl = (...args: readonly string[]): Promise<VolctlRun> => volctl(args, { env: { VOLPLANE_ADDRESS: address() } });

  it('creates a volume, refuses it with other options, and ends as its help says', async () => {
    expect(await ctl('create', 'data', '-q')).to.include({ code: 2, stdout: '' });
    const created = await ctl('create', 'data', '-o', 'quota=5', '--output', 'json');
    expect(created).to.include({ code: 0, stderr: '' });
    expect(JSON.parse(created.stdout)).to.include({ name: 'data', phase: 'ready' });
    const refused = await ctl('create', 'data', '-o', 'quota=6');
    expect(refused).to.include({ code: 1, stdout: '' });
    expect(refused.stderr).to.include('VOLUME_CONFLICT');
    expect(await ctl('--version')).to.deep.equal({ code: 0, stdout: '0.1.0\n', stderr: '' });
  });

  it('watches until Ctrl-C, a line for each event', async () => {
    await api.createVolume({ name: 'data' }, CONTEXT);
    const run = await volctl(['watch', '--output', 'json'], {
      env: { VOLPLANE_ADDRESS: address() },
      onOutput: (child, stdout) => {
        if (stdout.includes('removed')) child.kill('SIGINT');
        else if (stdout.includes('synced') && api.volumes.size > 0) api.removeVolume({ name: 'data' }, CONTEXT).catch(() => undefined);
      },
    });
    const events = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { readonly type: string }).type);
    expect(events).to.deep.equal(['present', 'synced', 'removed']);
    // Its ordinary end is no failure to be told.
    expect(run).to.include({ code: 130, stderr: '' });
    expect((await ctl('watch', 'nodes')).stdout).to.match(/^present a: connected, 0 attached, 0 owned$/m);
  });

  it('creates the volumes of a file, refuses the bad ones alone, and ends with 6', async () => {
    const input = '{"name":"one"}\n\n{"name":"/etc"}\n{"name":"two","labels":{"a":"b"}}\n';
    const run = await volctl(['create-many', '-'], { env: { VOLPLANE_ADDRESS: address() }, input });
    expect(run.code).to.equal(6);
    expect(run.stdout.trimEnd().split('\n').sort()).to.deep.equal(['created one', 'created two', expectedRefusal('/etc')]);
    const file = join(folder, 'volumes.jsonl');
    await writeFile(file, '{"name":"three"}\n{"name":"four","colour":"red"}\n');
    const wrong = await ctl('create-many', file);
    expect(wrong.code).to.equal(2);
    expect(wrong.stderr).to.include('line 2').and.include('colour');
    expect((await ctl('create-many', join(folder, 'none'))).code).to.equal(2);
  });

  it('creates more than one stream takes, at the pace of the input, and says what was done before a fault', async () => {
    const lines = Array.from({ length: 600 }, (_, index) => `{"name":"data${String(index).padStart(3, '0')}"}\n`);
    const run = await volctl(['create-many', '-'], { env: { VOLPLANE_ADDRESS: address() }, input: `${lines.join('')}{"name":5}\n` });
    expect(run.code).to.equal(6);
    expect(run.stdout.trimEnd().split('\n')).to.have.length(500);
    expect(run.stderr).to.include('line 601');
    expect(api.volumes.size).to.equal(500);
  });

  it('counts the volumes of the whole file for programs', async () => {
    const input = Array.from({ length: 501 }, (_, index) => `{"name":"data${String(index)}"}\n`).join('');
    const run = await volctl(['create-many', '-', '--output', 'json'], { env: { VOLPLANE_ADDRESS: address() }, input });
    const indexes = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { readonly index: number }).index);
    expect(indexes.toSorted((one, other) => one - other)).to.deep.equal(Array.from({ length: 501 }, (_, index) => index));
  });

  it('does not wait for its input when the call has failed', async () => {
    const run = await volctl(['create-many', '-'], { env: { VOLPLANE_ADDRESS: '127.0.0.1:1' }, keepInputOpen: true });
    expect(run.code).to.equal(4);
  });

  it('says why no TLS connection came about, and nothing of what only authors of libraries can mend', async function () {
    if (!(await hasTool('openssl'))) this.skip();
    const authority = join(folder, 'ca.pem');
    const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca';
    await promisify(execFile)('openssl', [...words.split(' '), '-keyout', join(folder, 'ca.key'), '-out', authority]);
    const run = await ctl('ls', '--tls-ca', authority);
    expect(run).to.include({ code: 4, stdout: '' });
    expect(run.stderr).to.match(/^Cause: No connection established.*wrong version number/m);
    expect(run.stderr).not.to.include('Deprecation');
  });

  it('ends in silence when the reader of its output has seen enough', async () => {
    await Promise.all(Array.from({ length: 2_000 }, (_, index) => api.createVolume({ name: `data${String(index)}` }, CONTEXT)));
    const script = `${VOLCTL.map((word) => `'${word}'`).join(' ')} ls --output json | head -c 10`;
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', script], {
      env: { PATH: PATH_OF_TESTS, VOLPLANE_ADDRESS: address() },
    });
    expect(stdout).to.have.length(10);
    expect(stderr).to.equal('');
  });

  describe('completion', () => {
    before(async () => {
      const program = join(folder, 'volctl');
      await writeFile(program, `#!/bin/sh\nexec ${VOLCTL.map((word) => `'${word}'`).join(' ')} "$@"\n`);
      await chmod(program, 0o755);
    });

    for (const [shell, script] of [
      ['bash', 'source <(volctl completion bash); COMP_WORDS=(volctl inspect da); COMP_CWORD=2; _volctl; echo "${COMPREPLY[@]}"'],
      ['fish', 'volctl completion fish | source; complete -C "volctl inspect da"'],
    ] as const) {
      it(`works in ${shell}`, async function () {
        if (!(await hasTool(shell))) this.skip();
        await api.createVolume({ name: 'data' }, CONTEXT);
        const env = { PATH: `${folder}:${PATH_OF_TESTS}`, VOLPLANE_ADDRESS: address() };
        const { stdout } = await promisify(execFile)(shell, ['-c', script], { env });
        expect(stdout.trim()).to.equal('data');
      });
    }

    it('is a script that zsh can read', async function () {
      if (!(await hasTool('zsh'))) this.skip();
      await promisify(execFile)('zsh', ['-n', '-c', (await ctl('completion', 'zsh')).stdout]);
    });
  });
});

function expectedRefusal(name: string): string {
  return `refused ${name}: volume name "${name}" is not allowed: it is a path; to use a folder of the host, create a volume with the option device (INVALID_NAME)`;
}

const CONTEXT = { signal: new AbortController().signal, timeoutMs: 1_000 };
