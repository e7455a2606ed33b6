import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { integer, list, readSettings, text, type Settings } from '@volplane/base';
import { lineChart } from './report/line-chart.js';
import { ScaleWorld } from './scale/scale-world.js';

/** `npm run bench:scale`: one manager with up to 100,000 volumes and 1,000 simulated agents, over real etcd and NATS. */
const SETTINGS = {
  volumes: { help: 'Volumes of each stage, separated by commas, growing.', fallback: '1000,10000,100000', parse: list },
  nodes: { help: 'Nodes of each stage, separated by commas, growing; as many as --volumes has.', fallback: '10,100,1000', parse: list },
  idleSeconds: { help: 'How long heartbeats alone are measured.', fallback: '15', parse: integer(1, 600) },
  lostShare: {
    help: 'Percentage of the nodes that die at once at the end of the last stage; 0 = none.',
    fallback: '10',
    parse: integer(0, 33),
  },
  out: { help: 'Folder for scale.json and the plots; empty = none.', fallback: '', parse: text },
};

interface Stage {
  readonly volumes: number;
  readonly nodes: number;
  readonly serveSeconds: number;
  readonly managerMib: number;
  readonly etcdMib: number;
  readonly page100Ms: number;
  readonly page500Ms: number;
  readonly heartbeatCores: { readonly manager: number; readonly etcd: number; readonly nats: number };
}

const read = readSettings(SETTINGS, {
  argv: process.argv.slice(2),
  env: {},
  prefix: 'VOLPLANE_BENCH',
  usage: 'npm run bench:scale -- [flags]',
});
if (read.type === 'settings') await main(read.settings);
else {
  process.stdout.write(read.type === 'help' ? read.text : `${read.faults.join('\n')}\n`);
  process.exitCode = read.type === 'help' ? 0 : 1;
}

async function main(settings: Settings<typeof SETTINGS>): Promise<void> {
  const world = await ScaleWorld.start();
  const stages: Stage[] = [];
  try {
    await world.startManager();
    for (const [index, volumes] of settings.volumes.map(Number).entries()) {
      const nodes = Number(settings.nodes[index] ?? settings.nodes.at(-1));
      const stage = await measureStage(world, { volumes, nodes, idleSeconds: settings.idleSeconds });
      stages.push(stage);
      process.stdout.write(`${line(stage)}\n`);
    }
    const last = stages.at(-1);
    const dying = Math.max(1, Math.floor(((last?.nodes ?? 0) * settings.lostShare) / 100));
    const lost = settings.lostShare === 0 ? undefined : { nodes: dying, ...(await world.lose(dying)) };
    if (lost !== undefined) {
      const times = `sessions ended after ${lost.sessionsEndedS.toFixed(1)} s, the last of ${String(lost.volumes)} volumes had a new owner ${lost.rehomedS.toFixed(1)} s later`;
      process.stdout.write(`${String(lost.nodes)} nodes lost at once: ${times}\n`);
    }
    if (last !== undefined) process.stdout.write(`${verdicts(last)}\n`);
    if (settings.out !== '') await writeResults(settings.out, stages, lost);
  } finally {
    await world.stop();
  }
}

async function measureStage(
  world: ScaleWorld,
  { volumes, nodes, idleSeconds }: { readonly volumes: number; readonly nodes: number; readonly idleSeconds: number },
): Promise<Stage> {
  await world.grow(volumes, nodes);
  // What a restart reads is all there is; what came by the watch is measured by the other bench.
  const serveSeconds = await world.startManager();
  // The first pages make the code hot.
  await world.listMs(500, 20);
  return {
    volumes,
    nodes,
    serveSeconds,
    page100Ms: await world.listMs(100, 50),
    page500Ms: await world.listMs(500, 50),
    heartbeatCores: await world.idleShare(idleSeconds),
    managerMib: await world.residentMib(),
    etcdMib: await world.etcdMib(),
  };
}

function line(stage: Stage): string {
  const { manager, etcd, nats } = stage.heartbeatCores;
  const cores = `heartbeats ${manager.toFixed(3)} cores (etcd ${etcd.toFixed(3)}, NATS ${nats.toFixed(3)})`;
  const pages = `page of 100 ${stage.page100Ms.toFixed(1)} ms, of 500 ${stage.page500Ms.toFixed(1)} ms`;
  const sizes = `manager ${stage.managerMib.toFixed(0)} MiB, etcd ${stage.etcdMib.toFixed(0)} MiB`;
  return `${String(stage.volumes)} volumes, ${String(stage.nodes)} nodes: serves after ${stage.serveSeconds.toFixed(1)} s, ${sizes}, ${pages}, ${cores}`;
}

/** What was promised for 100,000 volumes and 1,000 nodes. */
function verdicts(last: Stage): string {
  const promises: readonly (readonly [string, number, number])[] = [
    ['MB of manager memory', (last.managerMib * 2 ** 20) / 1e6, 600],
    ['seconds from its start until it serves', last.serveSeconds, 10],
    ['ms for a page of 500, median', last.page500Ms, 50],
    ['cores for heartbeats, manager', last.heartbeatCores.manager, 1 / 3],
  ];
  return promises
    .map(
      ([what, value, most]) =>
        `${value < most ? 'reached' : 'MISSED '}  ${value.toFixed(2).padStart(8)}  (below ${most.toFixed(2)})  ${what}`,
    )
    .join('\n');
}

async function writeResults(folder: string, stages: readonly Stage[], lost: object | undefined): Promise<void> {
  await mkdir(folder, { recursive: true });
  const machine = { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model ?? '' };
  await writeFile(join(folder, 'scale.json'), `${JSON.stringify({ machine, stages, lost }, null, 2)}\n`);
  const xs = stages.map(({ volumes, nodes }) => `${String(volumes)} / ${String(nodes)}`);
  const chart = (title: string, yTitle: string, series: Readonly<Record<string, (stage: Stage) => number>>): string =>
    lineChart({
      title,
      xTitle: 'volumes / nodes',
      yTitle,
      xs,
      series: Object.entries(series).map(([name, of]) => ({ name, ys: stages.map(of) })),
    });
  const memory = chart('Memory and disk', 'MiB', { manager: (one) => one.managerMib, 'etcd database': (one) => one.etcdMib });
  await writeFile(join(folder, 'scale-memory.svg'), memory);
  const time = chart('Pages', 'ms, median', { 'page of 100': (one) => one.page100Ms, 'page of 500': (one) => one.page500Ms });
  await writeFile(join(folder, 'scale-pages.svg'), time);
  const cores = chart('Heartbeats', 'cores', {
    manager: (one) => one.heartbeatCores.manager,
    etcd: (one) => one.heartbeatCores.etcd,
    NATS: (one) => one.heartbeatCores.nats,
  });
  await writeFile(join(folder, 'scale-heartbeats.svg'), cores);
  await writeFile(
    join(folder, 'scale-start.svg'),
    chart('Start of a manager', 's until it serves', { manager: (one) => one.serveSeconds }),
  );
}
