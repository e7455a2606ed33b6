import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { integer, list, readSettings, text, type Settings } from '@volplane/base';
import { BenchWorld } from './bench-world.js';
import { REMOVALS, WORKLOADS, type JobResult, type WorkloadName } from './load/job.js';
import { lineChart } from './report/line-chart.js';
import { Results } from './report/results.js';

/** `npm run bench`: how fast our calls are, beside what people would use instead, in one run. docs/benchmarks/README.md is its method. */
const SETTINGS = {
  callers: { help: 'Callers at once, separated by commas.', fallback: '1,16,64,256', parse: list },
  only: { help: `Workloads to run, separated by commas; empty = all of ${WORKLOADS.join(', ')}.`, fallback: '', parse: list },
  measureMs: { help: 'Milliseconds of one measurement.', fallback: '3000', parse: integer(50, 600_000) },
  warmupMs: { help: 'Milliseconds before it that are not counted.', fallback: '1000', parse: integer(0, 600_000) },
  heatMs: {
    help: 'Milliseconds that each of our calls is made before anything is measured: the compiler of Node needs thousands of calls.',
    fallback: '8000',
    parse: integer(0, 600_000),
  },
  rounds: { help: 'Times that everything is measured; the median of each counts.', fallback: '1', parse: integer(1, 99) },
  csi: { help: 'A CSI endpoint to measure beside: unix:///csi.sock.', fallback: '', parse: text },
  docker: { help: 'Measure Docker Engine, where it can be started: yes or no.', fallback: 'yes', parse: text },
  out: { help: 'Folder for results.json and the plots; empty = none.', fallback: '', parse: text },
  profile: { help: 'Folder for CPU profiles of manager and agent; empty = none.', fallback: '', parse: text },
};

const read = readSettings(SETTINGS, { argv: process.argv.slice(2), env: {}, prefix: 'VOLPLANE_BENCH', usage: 'npm run bench -- [flags]' });
if (read.type === 'settings') await main(read.settings);
else {
  process.stdout.write(read.type === 'help' ? read.text : `${read.faults.join('\n')}\n`);
  process.exitCode = read.type === 'help' ? 0 : 1;
}

async function main(settings: Settings<typeof SETTINGS>): Promise<void> {
  const { profile, out } = settings;
  const world = await BenchWorld.start({
    csi: settings.csi,
    docker: settings.docker === 'yes',
    ...(profile === '' ? {} : { profileFolder: profile }),
  });
  const results = new Results();
  try {
    const all = wanted(settings, world);
    // ext4 passes by the inodes that were deleted in the last minutes, one by one: no create is measured behind a removal.
    await measure(settings, world, { workloads: all.filter((name) => !REMOVALS.has(name)), results });
    await measure(settings, world, { workloads: all.filter((name) => REMOVALS.has(name)), results });
  } finally {
    await world.stop();
  }
  process.stdout.write(`\n${results.table()}\n${results.verdicts()}\n`);
  if (out !== '') await writeResults(out, results);
}

async function measure(
  settings: Settings<typeof SETTINGS>,
  world: BenchWorld,
  { workloads, results }: { readonly workloads: readonly WorkloadName[]; readonly results: Results },
): Promise<void> {
  await heat(settings, world, workloads);
  for (let round = 0; round < settings.rounds; round += 1) {
    for (const callers of settings.callers.map(Number)) {
      for (const workload of workloads) {
        // One after the other: they share the machine.
        const result = await world.measure({ workload, callers, warmupMs: settings.warmupMs, measureMs: settings.measureMs });
        results.add(result);
        tell(result);
      }
    }
  }
}

/** Also the echo server and the load process itself, so that nobody is measured cold. */
async function heat(settings: Settings<typeof SETTINGS>, world: BenchWorld, workloads: readonly WorkloadName[]): Promise<void> {
  if (settings.heatMs === 0) return;
  for (const workload of workloads.filter((name) => !name.startsWith('docker') && !name.startsWith('csi'))) {
    await world.measure({ workload, callers: 64, warmupMs: 0, measureMs: settings.heatMs });
  }
}

function wanted({ only }: Settings<typeof SETTINGS>, { targets }: BenchWorld): readonly WorkloadName[] {
  return WORKLOADS.filter((name) => only.length === 0 || only.includes(name)).filter(
    (name) => (targets.docker !== '' || !name.startsWith('docker')) && (targets.csi !== '' || !name.startsWith('csi')),
  );
}

function tell({ workload, callers, perSecond, p50Ms, cpuMicros, phaseMs }: JobResult): void {
  const median = p50Ms === undefined ? '' : `median ${p50Ms.toFixed(2)} ms`;
  process.stderr.write(`${workload.padEnd(20)} ${String(callers).padStart(4)} callers ${perSecond.toFixed(0).padStart(7)}/s ${median}\n`);
  process.stderr.write(`    µs of processor: ${words(cpuMicros)}\n`);
  if (/^(echo|etcd|bare|docker|csi)/.test(workload)) return;
  process.stderr.write(`    ms of a phase, manager: ${words(phaseMs.manager)}; agent: ${words(phaseMs.agent)}\n`);
}

function words(numbers: Readonly<Record<string, number>>): string {
  return Object.entries(numbers)
    .map(([name, number]) => `${name} ${String(Number(number.toPrecision(3)))}`)
    .join(', ');
}

async function writeResults(folder: string, results: Results): Promise<void> {
  await mkdir(folder, { recursive: true });
  const machine = { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model ?? '' };
  await writeFile(join(folder, 'results.json'), `${JSON.stringify({ machine, results: results.all() }, null, 2)}\n`);
  for (const { file, chart } of results.charts()) await writeFile(join(folder, file), lineChart(chart));
}
