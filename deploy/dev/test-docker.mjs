import { findOnPath } from './setup/binaries.mjs';
import { failWith, SetupError } from './setup/process.mjs';
import { setUp } from './setup/setup.mjs';
import { report, runSuites } from './setup/suites.mjs';

/**
 * `npm run test:docker`: the suites for real Docker Engines, which `npm test` leaves out. It fails where an engine cannot be run.
 * `npm run test:docker -- test/docker/door.docker.test.ts` runs that file only.
 */

/** What an engine and its containers need, and Debian's package of each. */
const NEEDED = { dockerd: 'docker.io', containerd: 'containerd', runc: 'runc', busybox: 'busybox-static', nsenter: 'util-linux' };

try {
  await checkEngine();
  const args = process.argv.slice(2);
  const env = { ...(await setUp()), VOLPLANE_TEST_DOCKER: '1' };
  report(await runSuites({ args: args.length > 0 ? args : ['test/docker'], env }));
} catch (error) {
  failWith(error);
  console.log('\n0 passed, 1 failed');
}

async function checkEngine() {
  if (process.getuid?.() !== 0) throw new SetupError('Real engines need root.');
  /** @type {string[]} */
  const missing = [];
  for (const [name, debianPackage] of Object.entries(NEEDED)) {
    if ((await findOnPath(name, process.env)) === undefined) missing.push(`${name} (Debian and Ubuntu: ${debianPackage})`);
  }
  if (missing.length > 0)
    throw new SetupError(`Real engines cannot be started, because these programs are missing: ${missing.join(', ')}.`);
}
