import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** What the set-up fetches lives here; git ignores it, and it can be deleted at any time. */
export const CACHE_FOLDER = join(ROOT, '.cache');

/**
 * The file behind a tool's command, to be run with this very Node.
 *
 * @param {string} name the npm package, one that the root's package.json names
 * @param {string} path inside of the package
 */
export function dependencyFile(name, path) {
  return join(ROOT, 'node_modules', name, path);
}
