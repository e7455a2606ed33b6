import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { integer, readSettings, systemClock, text } from '@volplane/base';
import { readHistory } from './history.js';
import { reportOf } from './report.js';
import { runFaults, type RunOptions } from './run-faults.js';

/** `npm run faults`: real processes, real mounts, faults in the order of a seed, and what the storage proves afterwards. Needs root. */
const SETTINGS = {
  faults: { help: 'How many faults to inject.', fallback: '200', parse: integer(1, 100_000) },
  seed: { help: 'Decides kinds, targets, times and the work of the callers.', fallback: '1', parse: integer(0, 1_000_000) },
  managers: { help: 'Managers.', fallback: '3', parse: integer(1, 9) },
  nodes: { help: 'Nodes.', fallback: '4', parse: integer(2, 9) },
  workers: { help: 'Concurrent callers.', fallback: '12', parse: integer(1, 64) },
  ttlMs: { help: 'Session TTL in milliseconds, whole seconds.', fallback: '5000', parse: integer(2_000, 60_000) },
  check: { help: 'Judge this history file again, and run nothing.', fallback: '', parse: text },
} as const;

/** 128 and the number of SIGINT, as shells have it. */
const EXIT_INTERRUPTED = 130;
/** Set in the process that has mounts of its own. */
const OWN_MOUNTS = 'VOLPLANE_FAULTS_OWN_MOUNTS';
const HISTORIES = fileURLToPath(new URL('../../.cache/faults', import.meta.url));

const read = readSettings(SETTINGS, {
  argv: process.argv.slice(2),
  env: process.env,
  prefix: 'VOLPLANE_FAULTS',
  usage: 'npm run faults -- [flags]: faults on a real cluster, and a checked history.',
});
if (read.type === 'help') process.stdout.write(read.text);
else if (read.type === 'faults') {
  process.stderr.write(`${read.faults.join('\n')}\n`);
  process.exitCode = 78;
} else if (read.settings.check !== '') judge(read.settings.check);
else if (process.env[OWN_MOUNTS] === undefined) runWithOwnMounts();
else await run(read.settings);

/**
 * The run has its mounts to itself: other processes of the machine then neither see nor copy them, and whatever is left of them goes with the
 * run's last process, however it ends.
 */
function runWithOwnMounts(): void {
  const child = spawn('unshare', ['--mount', '--propagation=private', process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [OWN_MOUNTS]: '1' },
  });
  // From a terminal both get them; from elsewhere this one alone.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}

async function run(settings: Omit<RunOptions, 'file' | 'say'>): Promise<void> {
  const file = join(HISTORIES, `seed-${String(settings.seed)}-${String(systemClock.wallMs())}`, 'history.jsonl');
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    // Every time: from a terminal it comes twice, and the cleaning up must not be cut short.
    process.on(signal, () => {
      say(`${signal}: the run is broken off and cleans up`);
      ending.abort();
    });
  say(`history: ${file}`);
  if (await runFaults({ ...settings, file, say }, ending.signal)) judge(file);
  else process.exitCode = EXIT_INTERRUPTED;
}

function judge(file: string): void {
  const { text: report, failed } = reportOf(readHistory(file));
  process.stdout.write(`${report}\n`);
  if (failed) process.exitCode = 1;
}
