import { access, constants, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromDebianPackages } from './debian-packages.mjs';
import { fromOfficialRelease } from './official-release.mjs';
import { messageOf, run, SetupError } from './process.mjs';
import { RELEASES } from './releases.mjs';

/**
 * The servers that the development swarm and the tests need, and etcd's own client. They come from, in this order: an environment variable, PATH, the
 * cache of an earlier run, the distribution's packages (unpacked, not installed: no root needed), the official release.
 *
 * @typedef {import('./releases.mjs').Release} Release
 *
 * @typedef {object} Binary
 * @property {string} name of the executable
 * @property {string} variable names the environment variable that overrides everything
 * @property {string} versionArg makes it tell its version and end: the proof that it runs here
 * @property {string} debianPackage
 * @property {Release} release
 *
 * @typedef {object} BinaryContext what the sources work with; tests give their own
 * @property {NodeJS.ProcessEnv} env
 * @property {string} cacheFolder
 * @property {(line: string) => void} say
 * @property {string} [releaseBaseUrl] instead of the project's own page
 */

/** @type {readonly Binary[]} */
export const BINARIES = [
  { name: 'etcd', variable: 'VOLPLANE_BIN_ETCD', versionArg: '--version', debianPackage: 'etcd-server', release: RELEASES.etcd },
  { name: 'etcdctl', variable: 'VOLPLANE_BIN_ETCDCTL', versionArg: 'version', debianPackage: 'etcd-client', release: RELEASES.etcdctl },
  {
    name: 'nats-server',
    variable: 'VOLPLANE_BIN_NATS_SERVER',
    versionArg: '--version',
    debianPackage: 'nats-server',
    release: RELEASES.natsServer,
  },
];

/** Debian puts servers and tools of administrators into folders that are not on everybody's PATH. */
export const SERVER_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
/** A program tells its version at once; one that does not is the wrong one. */
const VERSION_TIMEOUT_MS = 30_000;

/**
 * Finds or fetches each of them.
 *
 * @param {BinaryContext} context
 * @param {readonly Binary[]} [binaries]
 * @returns {Promise<Record<string, string>>} the environment variables that name them, for the processes that start them
 */
export async function ensureBinaries(context, binaries = BINARIES) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const binary of binaries) {
    // One after the other: both may need the same package lists.
    found[binary.variable] = await ensureBinary(binary, context);
  }
  return found;
}

/**
 * @param {Binary} binary
 * @param {BinaryContext} context
 * @returns {Promise<string>} an absolute path
 * @throws {SetupError} with what was tried and what to do
 */
export async function ensureBinary(binary, context) {
  const given = context.env[binary.variable];
  if (given !== undefined && given !== '') return await checkedGiven(binary, given);

  const onPath = await findOnPath(binary.name, context.env);
  if (onPath !== undefined) return onPath;

  const cached = join(context.cacheFolder, 'bin', binary.name);
  if (await isExecutable(cached)) return cached;

  /** @type {string[]} */
  const refusals = [`PATH: no ${binary.name} there`];
  for (const [source, fetchInto] of SOURCES) {
    try {
      await fetchThrough(binary, context, fetchInto, cached);
      context.say(`${binary.name}: from ${source}, kept in ${cached}`);
      return cached;
    } catch (error) {
      refusals.push(`${source}: ${messageOf(error)}`);
    }
  }
  throw new SetupError(instruction(binary, refusals));
}

/** @type {readonly (readonly [string, (binary: Binary, folder: string, context: BinaryContext) => Promise<string>])[]} */
const SOURCES = [
  ['the distribution', fromDebianPackages],
  ['the official release', fromOfficialRelease],
];

/**
 * Lets a source work in a folder of its own, tries what it brought, and moves that into its place in one step: a run beside this
 * one finds the whole file or none.
 *
 * @param {Binary} binary
 * @param {BinaryContext} context
 * @param {(binary: Binary, folder: string, context: BinaryContext) => Promise<string>} fetchInto
 * @param {string} target
 */
async function fetchThrough(binary, context, fetchInto, target) {
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(context.cacheFolder, `fetch-${binary.name}-`));
  try {
    const brought = await fetchInto(binary, folder, context);
    await run(brought, [binary.versionArg], { timeoutMs: VERSION_TIMEOUT_MS });
    await rename(brought, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param {Binary} binary @param {string} path */
async function checkedGiven(binary, path) {
  if (await isExecutable(path)) return path;
  throw new SetupError(
    `${binary.variable} is set to ${path}, which is not an executable file. Correct it, or unset it to let ${binary.name} be found.`,
  );
}

/** @param {string} name @param {NodeJS.ProcessEnv} env */
export async function findOnPath(name, env) {
  const folders = (env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
  for (const folder of [...folders, ...SERVER_FOLDERS]) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

/** @param {string} path */
async function isExecutable(path) {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // Not there, or not for us: the next place may have it.
    return false;
  }
}

/** @param {Binary} binary @param {readonly string[]} refusals */
function instruction(binary, refusals) {
  return [
    `${binary.name} is needed and could not be found or fetched:`,
    ...refusals.map((refusal) => `  - ${refusal.trimEnd().replaceAll('\n', '\n    ')}`),
    '',
    `Install ${binary.name} with the package manager of this machine (Debian and Ubuntu: ${binary.debianPackage}), or take it from`,
    `${binary.release.page}, and put it on PATH or set ${binary.variable} to its full path. Then run the command again.`,
  ].join('\n');
}
