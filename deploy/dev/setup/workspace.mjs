import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** What the set-up fetches lives here; git ignores it, and it can be deleted at any time. */
export const CACHE_FOLDER = join(ROOT, '.cache');

/**
 * The file behind a dependency's command, to be run with this very Node.
 *
 * @param {string} name the npm package
 * @param {string} path inside of the package
 */
export function dependencyFile(name, path) {
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), path);
}
