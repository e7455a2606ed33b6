import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, SetupError } from './process.mjs';
import { dependencyFile, ROOT } from './workspace.mjs';

/** What package.json asks for; npm itself only warns. */
const NODE_MIN = /** @type {const} */ ([20, 19]);

/** @throws {SetupError} on a Node that is too old */
export function checkNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  throw new SetupError(`Volplane needs Node ${NODE_MIN.join('.')} or later; this is ${version}. See https://nodejs.org/en/download`);
}

/**
 * Installs what the lock file names, with pnpm 10 as npx fetches it. Does nothing when that has been done for this lock file.
 *
 * @param {(line: string) => void} say
 */
export async function ensureDependencies(say) {
  if (await dependenciesMatch(ROOT)) return;
  say('installing dependencies (pnpm install --frozen-lockfile)');
  // --prefer-offline: what the caches of npm and pnpm hold is taken from there; pnpm reads npm's setting.
  const args = ['--yes', '--prefer-offline', 'pnpm@10', 'install', '--frozen-lockfile', '--config.confirmModulesPurge=false'];
  try {
    await run('npx', args, { cwd: ROOT, progress: say });
  } catch (error) {
    throw new SetupError(
      `The dependencies could not be installed. This step needs the npm registry once, or caches of npm and pnpm that hold them.\n\n${
        error instanceof Error ? error.message : String(error)
      }`,
      error,
    );
  }
}

/**
 * Whether node_modules is what the lock file says: pnpm keeps the lock file that it installed from, and writes .modules.yaml last.
 *
 * @param {string} root
 */
export async function dependenciesMatch(root) {
  const [wanted, installed, finished] = await Promise.all(
    ['pnpm-lock.yaml', 'node_modules/.pnpm/lock.yaml', 'node_modules/.modules.yaml'].map((path) => textOf(join(root, path))),
  );
  return wanted !== undefined && finished !== undefined && wanted === installed;
}

/**
 * Compiles the workspace, what changed since last time only.
 *
 * @param {(line: string) => void} say
 */
export async function ensureBuild(say) {
  say('building (tsc -b)');
  await run(process.execPath, [dependencyFile('typescript', 'bin/tsc'), '-b'], { cwd: ROOT, progress: say });
}

/** @param {string} path */
async function textOf(path) {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // Not there, or not readable: either way the install has to run.
    return undefined;
  }
}
