import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';

const RUN = fileURLToPath(new URL('../../deploy/dev/run.mjs', import.meta.url));

describe('run.mjs', () => {
  it('passes on output and exit code, and ends what the program has left running', async () => {
    const run = spawn(process.execPath, [RUN, 'test/dev/support/leaves-child.ts'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    run.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const [code] = (await once(run, 'close')) as [number];
    expect(code).to.equal(3);
    const pid = Number(said.trim().split('\n').at(-1));
    expect(pid).to.be.greaterThan(0);
    await waitFor(() => hasEnded(pid), { what: 'the child of the program has ended' });
  });

  it('says what is missing', async () => {
    const run = spawn(process.execPath, [RUN, 'test/nowhere.ts'], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    run.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const [code] = (await once(run, 'close')) as [number];
    expect(code).to.not.equal(0);
    expect(said).to.contain('test/nowhere.ts is missing');
  });
});

/** Gone, or a zombie that nobody has asked about. */
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => undefined);
  return stat === undefined || /\) [ZX] /.test(stat);
}
