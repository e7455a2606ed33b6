import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { hasTool, isRoot } from '@volplane/testkit';
import { expect } from 'chai';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

/** A short `npm run faults`, as people run it. It needs what `tsc -b` has built. */
describe('faults on real processes', function () {
  this.timeout(400_000);

  before(async function () {
    const tools = await Promise.all(['unshare', 'xfs_io', 'mkfs.ext4'].map(hasTool));
    if (!isRoot() || tools.includes(false)) this.skip();
  });

  it('leave a history without a violation, and nothing behind', async () => {
    const { code, output } = await runMain('--faults=8', '--seed=7', '--workers=8');
    expect(output).to.contain('violations  0');
    expect(code).to.equal(0);

    const file = /^history: (.*)$/m.exec(output)?.[1] ?? '';
    const again = await runMain(`--check=${file}`);
    expect(again.code).to.equal(0);
    expect(output.endsWith(again.output)).to.equal(true);
  });
});

async function runMain(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, ['--import=tsx', '--conditions=@volplane/source', MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
  await once(child, 'close');
  return { code: child.exitCode, output };
}
