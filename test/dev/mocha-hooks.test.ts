import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

/** In a process of its own: a path that was resolved wrongly once stays so. */
describe('the hooks between test files', function () {
  if (process.platform !== 'linux') this.pending = true;
  const hooks = fileURLToPath(new URL('../../deploy/dev/setup/mocha-hooks.cjs', import.meta.url));

  it('let a package be loaded from its folder behind a test that looked at a pipe last', () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'volplane-hooks-')));
    try {
      mkdirSync(join(folder, 'package'));
      writeFileSync(join(folder, 'package/index.cjs'), 'module.exports = __filename;');
      writeFileSync(join(folder, 'before.cjs'), '');
      symlinkSync('package', join(folder, 'link'));
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      const script = `
        require('./before.cjs');
        const { mochaHooks } = require(${JSON.stringify(hooks)});
        require('node:fs').statSync('pipe');
        mochaHooks.afterAll();
        process.stdout.write(require('./link/index.cjs'));`;
      writeFileSync(join(folder, 'main.cjs'), script);
      const loaded = execFileSync(process.execPath, ['main.cjs'], { cwd: folder, encoding: 'utf8' });
      expect(loaded).to.equal(join(folder, 'package/index.cjs'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
