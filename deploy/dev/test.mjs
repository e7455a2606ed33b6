import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endLeftovers } from './setup/leftovers.mjs';
import { failWith } from './setup/process.mjs';
import { setUp } from './setup/setup.mjs';
import { dependencyFile, ROOT } from './setup/workspace.mjs';

/**
 * `npm test`: sets up what is missing, runs the mocha suites, and closes with `N passed, N failed`.
 *
 * `npm test -- packages/base test/tidy` runs those folders or files only; everything else goes to mocha as it stands.
 * Suites that need root are part of it and skip themselves without it.
 *
 * @typedef {{ passed: number, failed: number, skipped: number }} Totals
 */

/** Every suite of the project. */
const SUITES = ['packages/*/test/**/*.test.ts', 'services/*/test/**/*.test.ts', 'test/**/*.test.ts'];
/** Once the totals stand, mocha ends by itself, unless a test left something open. */
const EXIT_MS_MAX = 15_000;
const POLL_MS = 200;

try {
  const totals = await runSuites(process.argv.slice(2), await setUp());
  console.log(
    `\n${String(totals.passed)} passed, ${String(totals.failed)} failed${totals.skipped > 0 ? `, ${String(totals.skipped)} skipped` : ''}`,
  );
  process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;
} catch (error) {
  failWith(error);
  console.log('\n0 passed, 1 failed');
}

/**
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Totals>} what mocha counted, and one more failure for each way in which the run as a whole went wrong
 */
async function runSuites(args, env) {
  const folder = await mkdtemp(join(tmpdir(), 'volplane-test-'));
  const run = randomUUID();
  const totalsFile = join(folder, 'totals.json');
  try {
    const problem = await runMocha(mochaArgs(args), { ...env, VOLPLANE_TEST_TOTALS: totalsFile, VOLPLANE_TEST_RUN: run }, totalsFile);
    const problems = [problem, ...(await endLeftovers(`VOLPLANE_TEST_RUN=${run}`))].filter((text) => text !== undefined);
    const totals = await readTotals(totalsFile);
    if (totals === undefined) problems.push('the run ended before its end: no totals');
    for (const text of problems) console.error(`\n${text}`);
    const { passed, failed, skipped } = totals ?? { passed: 0, failed: 0, skipped: 0 };
    return { passed, failed: failed + problems.length, skipped };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Runs mocha in a process group of its own, so that a signal to this process ends all of it, once.
 *
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {string} totalsFile
 * @returns {Promise<string | undefined>} what went wrong apart from failed tests
 */
async function runMocha(args, env, totalsFile) {
  const mocha = dependencyFile('mocha', 'bin/mocha.js');
  const child = spawn(process.execPath, [mocha, ...args], { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
  /** @type {string | undefined} */
  let problem;
  const signalGroup = (/** @type {NodeJS.Signals} */ signal) => {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  };
  const onSignal = (/** @type {NodeJS.Signals} */ signal) => {
    problem = `ended by ${signal}`;
    signalGroup(signal);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);

  let doneMs = 0;
  const watch = setInterval(() => {
    if (doneMs === 0 && existsSync(totalsFile)) doneMs = performance.now();
    if (doneMs === 0 || performance.now() - doneMs < EXIT_MS_MAX || problem !== undefined) return;
    problem = `the suites ended, their process did not within ${String(EXIT_MS_MAX / 1000)} s: a test left a server, socket or timer open`;
    signalGroup('SIGKILL');
  }, POLL_MS);
  try {
    await new Promise((resolve, reject) => {
      child.once('error', reject).once('exit', () => {
        resolve(undefined);
      });
    });
  } finally {
    clearInterval(watch);
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
  return problem;
}

/** @param {readonly string[]} args */
function mochaArgs(args) {
  const paths = args.filter((arg) => !arg.startsWith('-') && existsSync(join(ROOT, arg)));
  const others = args.filter((arg) => !paths.includes(arg));
  const suites = paths.length === 0 ? SUITES : paths.map(suitesBelow);
  const reporter = fileURLToPath(new URL('totals-reporter.cjs', import.meta.url));
  return ['--reporter', reporter, '--forbid-only', ...others, ...suites];
}

/** @param {string} path a test file, a folder of them, or a package */
function suitesBelow(path) {
  if (path.endsWith('.ts')) return path;
  return join(path, existsSync(join(ROOT, path, 'test')) ? 'test' : '', '**/*.test.ts');
}

/** @param {string} path @returns {Promise<Totals | undefined>} */
async function readTotals(path) {
  if (!existsSync(path)) return undefined;
  /** @type {unknown} */
  const totals = JSON.parse(await readFile(path, 'utf8'));
  return /** @type {Totals} */ (totals);
}
