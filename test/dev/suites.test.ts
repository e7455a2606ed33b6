import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';

/**
 * The run behind `npm test`, on suites that the test writes. Each run is a process of its own, because it takes signals and because
 * mocha writes to its output.
 */
describe('a run of the suites', function () {
  if (process.platform !== 'linux') this.pending = true;
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'volplane-suites-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const suite = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return name;
  };
  const script = (args: readonly string[], exitMsMax: number): string => {
    const suites = fileURLToPath(new URL('../../deploy/dev/setup/suites.mjs', import.meta.url));
    const options = JSON.stringify({ args, cwd: folder, exitMsMax });
    return [
      `import { report, runSuites } from ${JSON.stringify(suites)};`,
      `report(await runSuites({ ...${options}, env: process.env }));`,
    ].join('\n');
  };
  const start = (args: readonly string[], exitMsMax = 20_000): { readonly child: ChildProcess; readonly output: () => string } => {
    let output = '';
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script(args, exitMsMax)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    return { child, output: () => output };
  };
  /** `closing` is what the run says after all else: each failure, and the totals as its last line. */
  const run = async (args: readonly string[], exitMsMax?: number): Promise<Record<'output' | 'closing' | 'totals', string>> => {
    const { child, output } = start(args, exitMsMax);
    await once(child, 'close');
    const closing = /^(?:FAILED [^]*)?^\d+ passed, .*\n$/m.exec(output())?.[0] ?? '';
    const totals = closing.trimEnd().split('\n').at(-1) ?? '';
    expect(child.exitCode, output()).to.equal(/^[1-9]\d* passed, 0 failed/.test(totals) ? 0 : 1);
    return { output: output(), closing, totals };
  };

  it('counts what passed, failed and was skipped', async () => {
    const name = suite('a.test.mjs', "it('a', () => {}); it('b', () => {}); it('c', () => { throw new Error('no'); }); it.skip('d');");
    expect((await run([name])).totals).to.equal('2 passed, 1 failed, 1 skipped');
  });

  it('says at its end which tests failed, where they stand and why', async () => {
    const name = suite(
      'a.test.mjs',
      "describe('outer', () => { it('fails', () => { throw new Error('the reason', { cause: new Error('behind it') }); }); it('passes'); });",
    );
    const { closing } = await run([name]);
    expect(closing).to.match(
      /^FAILED a[.]test[.]mjs: outer fails\n {2}Error: the reason\n {2}.*a[.]test[.]mjs[^]*\n {2}Error: behind it\n/,
    );
  });

  it('hands other arguments to mocha', async () => {
    const name = suite('a.test.mjs', "it('a', () => {}); it('b', () => {});");
    expect((await run(['--grep', 'b', name])).totals).to.equal('1 passed, 0 failed');
  });

  it('fails when a suite cannot be loaded', async () => {
    const name = suite('a.test.mjs', "import './there-is-none.mjs'; it('a', () => {});");
    const { totals, output } = await run([name]);
    expect(totals).to.equal('0 passed, 1 failed');
    expect(output).to.contain('there are no totals');
  });

  it('fails when mocha does although no test did', async () => {
    const name = suite('a.test.mjs', "it('a', () => {}); process.on('exit', () => process.kill(process.pid, 'SIGKILL'));");
    const { totals, output } = await run([name]);
    expect(output).to.contain('mocha ended with SIGKILL although no test failed');
    expect(totals).to.equal('1 passed, 1 failed');
  });

  it('fails when a suite holds .only', async () => {
    const name = suite('a.test.mjs', "it.only('a', () => {}); it('b', () => {});");
    expect((await run([name])).totals).to.match(/, [1-9]\d* failed/);
  });

  it('ends a process that a test left running, names it and counts it as a failure', async () => {
    const pidFile = join(folder, 'pid');
    const name = suite(
      'a.test.mjs',
      `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs';
      it('a', () => {
        const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
        child.unref();
        writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
      });`,
    );
    const { totals, closing } = await run([name]);
    const pid = readFileSync(pidFile, 'utf8');
    expect(closing).to.contain(`FAILED left running, now ended: process ${pid}, sleep 1000`);
    expect(totals).to.equal('1 passed, 1 failed');
    await waitFor(() => !isRunning(pid), { what: 'the process is gone' });
  });

  it('ends mocha when a test left something open, and counts it as a failure', async () => {
    const name = suite(
      'a.test.mjs',
      "import { createServer } from 'node:net'; it('a', (done) => { createServer().listen(0, () => done()); });",
    );
    const { totals, output } = await run([name], 300);
    expect(output).to.contain('a test left a server, socket or timer open');
    expect(totals).to.equal('1 passed, 1 failed');
  });

  it('ends everything when it is told to', async () => {
    const pidFile = join(folder, 'pid');
    const name = suite(
      'a.test.mjs',
      `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs';
      it('a', (done) => { writeFileSync(${JSON.stringify(pidFile)}, String(spawn('sleep', ['1000']).pid)); }).timeout(0);`,
    );
    const { child, output } = start([name], 1_000);
    await waitFor(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '', { what: 'the test runs' });
    child.kill('SIGTERM');
    await once(child, 'close');
    expect(output()).to.contain('the run was ended by SIGTERM');
    expect(isRunning(readFileSync(pidFile, 'utf8'))).to.equal(false);
  });

  /** False also for what has ended and was not yet collected. */
  const isRunning = (pid: string): boolean => {
    try {
      return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };
});
