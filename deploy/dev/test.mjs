import { failWith } from './setup/process.mjs';
import { setUp } from './setup/setup.mjs';
import { report, runSuites } from './setup/suites.mjs';

/**
 * `npm test`: sets up what is missing, runs the mocha suites, and closes with every failure once more, so that the end of a long log
 * is enough to read, and with `N passed, N failed`.
 *
 * `npm test -- packages/base test/tidy` runs those folders or files only; everything else goes to mocha as it stands.
 * Suites that need root are part of it and skip themselves without it.
 */

try {
  report(await runSuites({ args: process.argv.slice(2), env: await setUp() }));
} catch (error) {
  failWith(error);
  console.log('\n0 passed, 1 failed');
}
