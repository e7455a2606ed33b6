import { ensureBinaries, SERVER_FOLDERS } from './binaries.mjs';
import { checkNode, ensureBuild, ensureDependencies } from './dependencies.mjs';
import { CACHE_FOLDER } from './workspace.mjs';

/**
 * Everything that a fresh clone needs before the swarm or the tests can run, done once and then only checked.
 *
 * Needs Node and npm; the first run needs a network or filled caches.
 *
 * @returns {Promise<NodeJS.ProcessEnv>} the environment for what comes next: it names the servers that were found, and
 *   finds the tools of administrators that the suites for root use
 */
export async function setUp() {
  const startedMs = performance.now();
  const say = (/** @type {string} */ line) => {
    console.error(`set-up ${seconds(performance.now() - startedMs)} ${line}`);
  };
  checkNode();
  await ensureDependencies(say);
  await ensureBuild(say);
  const servers = await ensureBinaries({ env: process.env, cacheFolder: CACHE_FOLDER, say });
  for (const [variable, path] of Object.entries(servers)) say(`${variable}=${path}`);
  return { ...process.env, ...servers, PATH: [process.env['PATH'] ?? '', ...SERVER_FOLDERS].join(':') };
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(1).padStart(5)} s`;
}
