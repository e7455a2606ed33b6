import { failWith } from './setup/process.mjs';
import { setUp } from './setup/setup.mjs';
import { runSuites } from './setup/suites.mjs';

/**
 * `npm test`: sets up what is missing, runs the mocha suites, and closes with `N passed, N failed`.
 *
 * `npm test -- packages/base test/tidy` runs those folders or files only; everything else goes to mocha as it stands.
 * Suites that need root are part of it and skip themselves without it.
 */

try {
  const { passed, failed, skipped } = await runSuites({ args: process.argv.slice(2), env: await setUp() });
  console.log(`\n${String(passed)} passed, ${String(failed)} failed${skipped > 0 ? `, ${String(skipped)} skipped` : ''}`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
} catch (error) {
  failWith(error);
  console.log('\n0 passed, 1 failed');
}
