import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endLeftovers } from './leftovers.mjs';
import { dependencyFile, ROOT } from './workspace.mjs';

/**
 * One run of mocha, watched from outside.
 *
 * @typedef {object} Totals
 * @property {number} passed
 * @property {readonly string[]} failed each failure in words: place, name and fault of a test, or what went wrong with the run
 * @property {number} skipped
 *
 * @typedef {object} SuiteRun
 * @property {readonly string[]} args paths of suites, folders or packages; everything else goes to mocha as it stands
 * @property {NodeJS.ProcessEnv} env
 * @property {string} [cwd] default: the root of the checkout
 * @property {number} [exitMsMax] default: {@link EXIT_MS_MAX}
 */

/** Every suite of the project. */
const SUITES = ['packages/*/test/**/*.test.ts', 'services/*/test/**/*.test.ts', 'test/**/*.test.ts'];
/** What mounts, or makes namespaces that hold other suites' mounts: these share the kernel, and go one after the other. */
const ALONE = '.{root,docker}.test.ts';
/**
 * The others share no port and no folder, and take two thirds of the time in two processes. A part of them runs in one
 * process, where a test that leaves something open shows, because mocha then does not end.
 */
const PARALLEL = availableParallelism() > 1 ? ['--parallel', '--jobs=2'] : [];
const REPORTER = fileURLToPath(new URL('totals-reporter.cjs', import.meta.url));
/** Once the totals stand, or it was told to end, mocha ends within this, unless something is left open. */
const EXIT_MS_MAX = 15_000;
const POLL_MS = 200;

/**
 * Runs suites to their end and ends every process that they left behind.
 *
 * @param {SuiteRun} suiteRun
 * @returns {Promise<Totals>} what mocha counted, and one more failure for each way in which the run as a whole went wrong
 */
export async function runSuites(suiteRun) {
  const all = { passed: 0, failed: /** @type {string[]} */ ([]), skipped: 0 };
  for (const mochaArgs of rounds(suiteRun)) {
    const { totals, interrupted } = await runRound(suiteRun, mochaArgs);
    all.passed += totals.passed;
    all.failed.push(...totals.failed);
    all.skipped += totals.skipped;
    if (interrupted) break;
  }
  return all;
}

/**
 * Prints every failure once more, so that the end of a long log is enough to read, then the totals, and sets the exit code: a run
 * that passed nothing fails too.
 *
 * @param {Totals} totals
 */
export function report({ passed, failed, skipped }) {
  for (const failure of failed) console.log(`\nFAILED ${failure}`);
  console.log(`\n${String(passed)} passed, ${String(failed.length)} failed${skipped > 0 ? `, ${String(skipped)} skipped` : ''}`);
  process.exitCode = failed.length > 0 || passed === 0 ? 1 : 0;
}

/**
 * @param {SuiteRun} suiteRun
 * @param {readonly string[]} mochaArgs
 * @returns {Promise<{ totals: Totals, interrupted: boolean }>}
 */
async function runRound(suiteRun, mochaArgs) {
  const folder = await mkdtemp(join(tmpdir(), 'volplane-test-'));
  const run = randomUUID();
  const totalsFile = join(folder, 'totals.json');
  try {
    const env = { ...suiteRun.env, VOLPLANE_TEST_TOTALS: totalsFile, VOLPLANE_TEST_RUN: run };
    const { end, interrupted, problems } = await runMocha({ ...suiteRun, env }, mochaArgs, totalsFile);
    problems.push(...(await endLeftovers(`VOLPLANE_TEST_RUN=${run}`)));
    const totals = await readTotals(totalsFile);
    const silent = totals?.failed.length === 0 && problems.length === 0 && end !== 0;
    if (silent) problems.push(`mocha ended with ${String(end)} although no test failed`);
    if (totals === undefined) problems.push('the run broke off: there are no totals');
    for (const text of problems) console.error(`\n${text}`);
    const { passed, failed, skipped } = totals ?? { passed: 0, failed: [], skipped: 0 };
    return { totals: { passed, failed: [...failed, ...problems], skipped }, interrupted };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Runs mocha in a process group of its own, so that a signal to this process ends all of it, once.
 *
 * @param {SuiteRun} suiteRun
 * @param {readonly string[]} mochaArgs
 * @param {string} totalsFile
 * @returns {Promise<{ end: number | string | null, interrupted: boolean, problems: string[] }>} its exit code or signal, whether
 *   this process was told to end, and what went wrong apart from failed tests
 */
async function runMocha({ env, cwd = ROOT, exitMsMax = EXIT_MS_MAX }, mochaArgs, totalsFile) {
  const command = [dependencyFile('mocha', 'bin/mocha.js'), '--reporter', REPORTER, '--forbid-only', ...mochaArgs];
  const child = spawn(process.execPath, command, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
  /** @type {string[]} */
  const problems = [];
  let endByMs = Infinity;
  let interrupted = false;
  const signalGroup = (/** @type {NodeJS.Signals} */ signal) => {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  };
  const onSignal = (/** @type {NodeJS.Signals} */ signal) => {
    problems.push(`the run was ended by ${signal}`);
    interrupted = true;
    endByMs = Math.min(endByMs, performance.now() + exitMsMax);
    signalGroup(signal);
  };
  const watch = setInterval(() => {
    if (endByMs === Infinity && existsSync(totalsFile)) endByMs = performance.now() + exitMsMax;
    if (performance.now() < endByMs) return;
    problems.push(`the suites ended but their process did not within ${String(exitMsMax)} ms: a test left a server, socket or timer open`);
    clearInterval(watch);
    signalGroup('SIGKILL');
  }, POLL_MS);
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    await once(child, 'exit');
    return { end: child.exitCode ?? child.signalCode, interrupted, problems };
  } finally {
    clearInterval(watch);
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/**
 * @param {SuiteRun} suiteRun
 * @returns {readonly (readonly string[])[]} the arguments of mocha, for one run after the other
 */
function rounds({ args, cwd = ROOT }) {
  const paths = args.filter((arg) => !arg.startsWith('-') && existsSync(join(cwd, arg)));
  const others = args.filter((arg) => !paths.includes(arg));
  if (paths.length > 0) return [[...others, ...paths.map((path) => suitesBelow(path, cwd))]];
  const alone = SUITES.map((suites) => suites.replace(/[.]test[.]ts$/, ALONE));
  return [
    [...others, ...PARALLEL, ...alone.map((suites) => `--ignore=${suites}`), ...SUITES],
    [...others, ...alone],
  ];
}

/** @param {string} path a test file, a folder of them, or a package @param {string} cwd */
function suitesBelow(path, cwd) {
  if (statSync(join(cwd, path)).isFile()) return path;
  return join(path, existsSync(join(cwd, path, 'test')) ? 'test' : '', '**/*.test.ts');
}

/** @param {string} path @returns {Promise<Totals | undefined>} */
async function readTotals(path) {
  if (!existsSync(path)) return undefined;
  /** @type {unknown} */
  const totals = JSON.parse(await readFile(path, 'utf8'));
  return /** @type {Totals} */ (totals);
}
