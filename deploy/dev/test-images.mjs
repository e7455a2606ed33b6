import { existsSync } from 'node:fs';
import { findOnPath } from './setup/binaries.mjs';
import { failWith, SetupError } from './setup/process.mjs';
import { setUp } from './setup/setup.mjs';
import { report, runSuites } from './setup/suites.mjs';

/**
 * `npm run test:images`: builds the images, runs docker-compose.yml and the managed plugin, on an engine of Debian's in a machine within the
 * machine. It fails where that cannot be had.
 *
 * `-- --pull` takes the images that ours are made from out of the registry that the engine knows; else stand-ins are made of Debian's packages and
 * npm's. Other arguments go to mocha: `npm run test:images -- test/images/plugin.docker.test.ts` runs that file only.
 */

/** Debian's package of each program. */
const NEEDED = { debootstrap: 'debootstrap', slirp4netns: 'slirp4netns', nsenter: 'util-linux', unshare: 'util-linux' };

try {
  await checkMachine();
  const { pull, args } = readArguments(process.argv.slice(2));
  const env = { ...(await setUp()), VOLPLANE_TEST_IMAGES: '1', ...(pull ? { VOLPLANE_TEST_IMAGES_PULL: '1' } : {}) };
  report(await runSuites({ args: args.some((arg) => !arg.startsWith('-')) ? args : [...args, 'test/images'], env }));
} catch (error) {
  failWith(error);
  console.log('\n0 passed, 1 failed');
}

async function checkMachine() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new SetupError('An engine of its own needs Linux, and root there.');
  /** @type {string[]} */
  const missing = [];
  for (const [name, debianPackage] of Object.entries(NEEDED)) {
    if ((await findOnPath(name, process.env)) === undefined) missing.push(`${name} (Debian and Ubuntu: ${debianPackage})`);
  }
  if (!existsSync('/dev/net/tun')) missing.push('/dev/net/tun (a kernel with CONFIG_TUN)');
  if (missing.length > 0) throw new SetupError(`The images cannot be tried here, because these are missing: ${missing.join(', ')}.`);
}

/** @param {readonly string[]} argv */
function readArguments(argv) {
  return { pull: argv.includes('--pull'), args: argv.filter((arg) => arg !== '--pull') };
}
