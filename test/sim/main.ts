import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { integer, readSettings, systemClock, text } from '@volplane/base';
import { runSeed, type SeedResult } from './run-seed.js';

const SETTINGS = {
  seeds: { help: 'How many seeds to run, from --from on.', fallback: '200', parse: integer(1, 10_000_000) },
  from: { help: 'The first seed.', fallback: '1', parse: integer(0, 4_000_000_000) },
  seed: { help: 'Replay this one seed with a line for each event.', fallback: '', parse: text },
  workers: { help: 'Processes to run in.', fallback: String(availableParallelism()), parse: integer(1, 64) },
} as const;

const read = readSettings(SETTINGS, {
  argv: process.argv.slice(2),
  env: process.env,
  prefix: 'VOLPLANE_SIM',
  usage: 'npm run sim -- [flags]: lives of simulated clusters, each from one seed.',
});
if (process.send !== undefined && process.argv[2] === 'worker')
  await work(Number(process.argv[3]), Number(process.argv[4]), Number(process.argv[5]));
else if (read.type === 'help') process.stdout.write(read.text);
else if (read.type === 'faults') {
  process.stderr.write(`${read.faults.join('\n')}\n`);
  process.exitCode = 78;
} else if (read.settings.seed !== '') await replay(Number(read.settings.seed));
else await runAll(read.settings.from, read.settings.seeds, read.settings.workers);

async function replay(seed: number): Promise<void> {
  const result = await runSeed(seed, (line) => process.stdout.write(`${line}\n`));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  if (result.violation !== undefined) process.exitCode = 1;
}

/** Runs every `stride`-th seed and tells each result. */
async function work(from: number, count: number, stride: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    // One life after the other: each has its own world.
    process.send?.(await runSeed(from + index * stride));
  }
  process.disconnect();
}

async function runAll(from: number, seeds: number, workers: number): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  const total = { seeds: 0, events: 0, faults: 0, done: 0, refused: 0, takeovers: 0, writes: 0 };
  const failed: SeedResult[] = [];
  const onResult = (result: SeedResult): void => {
    total.seeds += 1;
    for (const key of ['events', 'faults', 'done', 'refused', 'takeovers', 'writes'] as const) total[key] += result[key];
    if (result.violation !== undefined) {
      failed.push(result);
      process.stdout.write(
        `seed ${String(result.seed)}: ${result.violation.message}\n  replay: npm run sim -- --seed ${String(result.seed)}\n`,
      );
    }
    if (total.seeds % 500 === 0) process.stdout.write(`${String(total.seeds)} of ${String(seeds)} seeds, ${perSecond()} a second\n`);
  };
  const perSecond = (): string => (total.seeds / ((systemClock.monotonicMs() - startedMs) / 1000)).toFixed(1);
  await Promise.all(
    Array.from({ length: Math.min(workers, seeds) }, (_, worker) => {
      const count = Math.ceil((seeds - worker) / workers);
      return runWorker([String(from + worker), String(count), String(workers)], onResult);
    }),
  );
  const { events, faults, done, refused, takeovers, writes } = total;
  process.stdout.write(
    `${String(total.seeds)} seeds, ${perSecond()} a second: ${String(events)} events, ${String(faults)} faults, ${String(done)} calls done and ${String(refused)} refused, ${String(takeovers)} takeovers, ${String(writes)} writes; ${String(failed.length)} violations\n`,
  );
  if (failed.length > 0 || total.seeds < seeds) process.exitCode = 1;
}

function runWorker(args: readonly string[], onResult: (result: SeedResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['worker', ...args], { execArgv: process.execArgv });
    child.on('message', (result) => {
      onResult(result as SeedResult); // sent by this same file
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a worker ended with code ${String(code)}`));
    });
  });
}
