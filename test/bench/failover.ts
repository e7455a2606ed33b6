import { integer, list, readSettings } from '@volplane/base';
import { isRoot } from '@volplane/testkit';
import { measureCreates, measureMounts, type ManagerLoss } from './failover-managers.js';
import { measureTakeovers } from './failover-takeover.js';

/** `npm run bench:failover`: what the death of a node and of a manager costs, on real processes. Ends with 1 where a bound is missed. */
const SETTINGS = {
  rounds: { help: 'Takeovers for each session TTL; 1 to 100.', fallback: '5', parse: integer(1, 100) },
  ttlMs: { help: 'Session TTLs to measure, in milliseconds, separated by commas; empty = none.', fallback: '5000,10000', parse: list },
} as const;

const TAKEOVER_MARGIN_MS = 1_000;
const EXTRA_MS_MAX = 1_000;

const read = readSettings(SETTINGS, {
  argv: process.argv.slice(2),
  env: process.env,
  prefix: 'VOLPLANE_BENCH',
  usage: 'npm run bench:failover -- [flags]: takeovers after kill -9 of a node (needs root), and callers of a killed manager.',
});
if (read.type === 'help') process.stdout.write(read.text);
else if (read.type === 'faults') {
  process.stderr.write(`${read.faults.join('\n')}\n`);
  process.exitCode = 78;
} else {
  if (!isRoot()) tell('takeovers are left out: loop mounts need root');
  // One measurement after the other.
  for (const ttlMs of isRoot() ? read.settings.ttlMs : []) await takeovers(Number(ttlMs), read.settings.rounds);
  tellLoss('creates at managers', await measureCreates());
  tellLoss('mounts and unmounts at an agent', await measureMounts());
}

async function takeovers(ttlMs: number, rounds: number): Promise<void> {
  const tookMs = [...(await measureTakeovers(ttlMs, rounds))].sort((one, other) => one - other);
  const median = tookMs[Math.floor(tookMs.length / 2)] ?? Number.NaN;
  const bound = ttlMs + TAKEOVER_MARGIN_MS;
  tell(`takeover, TTL ${seconds(ttlMs)}: ${tookMs.map(seconds).join(', ')}`);
  tell(`  median ${seconds(median)}, least ${seconds(tookMs[0] ?? Number.NaN)}, most ${seconds(tookMs.at(-1) ?? Number.NaN)}`);
  verdict(`median within TTL + ${seconds(TAKEOVER_MARGIN_MS)} = ${seconds(bound)}`, median <= bound);
}

function tellLoss(what: string, loss: ManagerLoss): void {
  tell(`one of three managers killed, ${what}: ${String(loss.calls)} calls, ${String(loss.retriesMax)} retries of a caller at most`);
  tell(`  median ${seconds(loss.medianMs)}, longest ${seconds(loss.longestMs)}`);
  verdict('at most one retry for a caller', loss.retriesMax <= 1);
  verdict('less than 1 s more than the median', loss.longestMs - loss.medianMs < EXTRA_MS_MAX);
}

function verdict(bound: string, holds: boolean): void {
  tell(`  ${bound}: ${holds ? 'yes' : 'NO'}`);
  if (!holds) process.exitCode = 1;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
