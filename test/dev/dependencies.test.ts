import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkNode, dependenciesMatch } from '../../deploy/dev/setup/dependencies.mjs';
import { run } from '../../deploy/dev/setup/process.mjs';
import { refusal } from './refusal.js';

describe('the set-up', () => {
  it('refuses a Node that is too old, in words', () => {
    for (const version of ['18.20.1', '20.18.3']) expect(checkNode.bind(undefined, version)).to.throw('needs Node 20.19 or later');
    for (const version of ['20.19.0', '22.0.0', '24.1.0']) expect(checkNode.bind(undefined, version)).not.to.throw();
  });

  it('installs again when the lock file is another one, or an install broke off', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'volplane-set-up-'));
    try {
      expect(await dependenciesMatch(folder)).to.equal(false);
      mkdirSync(join(folder, 'node_modules/.pnpm'), { recursive: true });
      writeFileSync(join(folder, 'pnpm-lock.yaml'), 'a');
      writeFileSync(join(folder, 'node_modules/.pnpm/lock.yaml'), 'a');
      expect(await dependenciesMatch(folder)).to.equal(false);
      writeFileSync(join(folder, 'node_modules/.modules.yaml'), '');
      expect(await dependenciesMatch(folder)).to.equal(true);
      writeFileSync(join(folder, 'pnpm-lock.yaml'), 'b');
      expect(await dependenciesMatch(folder)).to.equal(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('shows the command and its output when a command fails, is not there, or hangs', async () => {
    const node = process.execPath;
    expect(await run(node, ['-e', 'console.log(1); console.error(2)'])).to.match(/^[12]\n[12]\n$/);
    const failed = await refusal(run(node, ['-e', "console.error('why'); process.exitCode = 3"]));
    expect(failed).to.match(/exit code 3\nwhy$/);
    expect(await refusal(run('volplane-no-such-command', []))).to.contain('ENOENT');
    const hanging = await refusal(run(node, ['-e', 'process.stdin.resume(); setInterval(() => 0, 1000)'], { timeoutMs: 100 }));
    expect(hanging).to.contain('ended by SIGKILL');
  });
});
