import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';

const RUN = fileURLToPath(new URL('../../deploy/dev/run.mjs', import.meta.url));

describe('run.mjs', () => {
  it('passes on output and exit code, and ends what the program has left running', async () => {
    const { code, stdout } = await run('test/dev/support/leaves-child.ts');
    expect(code).to.equal(3);
    const pid = Number(stdout.trim().split('\n').at(-1));
    expect(pid).to.be.greaterThan(0);
    await waitFor(() => hasEnded(pid), { what: 'the child of the program has ended' });
  });

  it('ends the program when whoever started it is gone: npm passes a signal to a shell, and that passes it to nobody', async () => {
    const shell = spawn('sh', ['-c', `${process.execPath} ${RUN} test/dev/support/stays.ts; true`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let said = '';
    shell.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const pid = await waitFor(() => Promise.resolve(/^([0-9]+)$/m.exec(said)?.[1] ?? false), {
      what: 'the program runs',
      timeoutMs: 120_000,
    });
    shell.kill('SIGTERM');
    try {
      await waitFor(() => hasEnded(Number(pid)), { what: 'the program has ended' });
    } finally {
      if (!(await hasEnded(Number(pid)))) process.kill(Number(pid), 'SIGKILL');
    }
  });

  it('says what is missing', async () => {
    const { code, stderr } = await run('test/nowhere.ts');
    expect(code).to.not.equal(0);
    expect(stderr).to.contain('test/nowhere.ts is missing');
  });
});

async function run(program: string): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [RUN, program], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Buffer) => {
      said[stream] += chunk.toString();
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...said };
}

/** Gone, or a zombie that nobody has asked about. */
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => undefined);
  return stat === undefined || /\) [ZX] /.test(stat);
}
