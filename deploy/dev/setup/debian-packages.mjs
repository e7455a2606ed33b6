import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, run, SetupError } from './process.mjs';

/** @typedef {import('./binaries.mjs').Binary} Binary @typedef {import('./binaries.mjs').BinaryContext} BinaryContext */

/** Long for one package of 20 MB or the lists of a distribution; longer means that no mirror answers. */
const APT_TIMEOUT_MS = 5 * 60_000;

/** Nothing asked, nothing tried for long, no change of user: that fails in containers without the right to it. */
const APT_OPTIONS = [
  '--quiet',
  '-o=APT::Sandbox::User=root',
  '-o=Acquire::Retries=2',
  '-o=Acquire::http::Timeout=20',
  '-o=Acquire::https::Timeout=20',
  '-o=Acquire::Languages=none',
];

/**
 * Downloads the distribution's package and unpacks it. Nothing is installed and nothing outside of `folder` is written, so it
 * needs no root.
 *
 * @param {Binary} binary
 * @param {string} folder an empty one
 * @param {BinaryContext} context
 * @returns {Promise<string>} the path of the executable below `folder`
 */
export async function fromDebianPackages(binary, folder, context) {
  const { env, say } = context;
  const apt = async (/** @type {readonly string[]} */ args, /** @type {string} */ cwd) =>
    await run('apt-get', [...APT_OPTIONS, ...args], { cwd, env, timeoutMs: APT_TIMEOUT_MS, progress: say });

  say(`${binary.name}: downloading the package ${binary.debianPackage} of this distribution`);
  try {
    await apt(['download', binary.debianPackage], folder);
  } catch (error) {
    if (messageOf(error).includes('ENOENT')) throw new SetupError('this machine has no apt-get', error);
    // The lists of this machine are empty or too old. Fresh ones go into a folder of our own: updating those of the machine is
    // not ours to do, and needs root.
    const own = await ownLists(folder);
    say(`${binary.name}: reading the package lists of this distribution`);
    await apt([...own, 'update'], folder);
    await apt([...own, 'download', binary.debianPackage], folder);
  }
  const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'));
  if (archive === undefined) throw new SetupError(`apt-get download left no package ${binary.debianPackage}`);
  const unpacked = join(folder, 'unpacked');
  await run('dpkg-deb', ['--extract', join(folder, archive), unpacked], { env });
  return await findFile(unpacked, binary.name);
}

/** @param {string} folder */
async function ownLists(folder) {
  const state = join(folder, 'apt-state');
  const cache = join(folder, 'apt-cache');
  await mkdir(join(state, 'lists/partial'), { recursive: true });
  await mkdir(join(cache, 'archives/partial'), { recursive: true });
  return [`-o=Dir::State=${state}`, '-o=Dir::State::status=/var/lib/dpkg/status', `-o=Dir::Cache=${cache}`];
}

/** @param {string} unpacked @param {string} name */
async function findFile(unpacked, name) {
  for (const place of ['usr/bin', 'usr/sbin', 'usr/local/bin']) {
    const names = await readdir(join(unpacked, place)).catch(() => /** @type {string[]} */ ([]));
    if (names.includes(name)) return join(unpacked, place, name);
  }
  throw new SetupError(`the package holds no ${name}`);
}
