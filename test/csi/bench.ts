import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { integer, list, readSettings, systemClock, text } from '@volplane/base';
import { parseEndpoint } from '@volplane/csi';
import { CsiClient } from '../../packages/csi/test/support/csi-client.js';
import { measureLife } from './support/bench-life.js';
import { printTable, type Rates } from './support/bench-table.js';
import { CsiCluster } from './support/csi-cluster.js';

/**
 * `npm run bench:csi`: how many calls a second CSI plugins answer, call by call through the life of volumes, at each
 * concurrency. Any plugins: `-- --plugins own,other=unix:///csi.sock`; `own` are a manager and an agent that are started here.
 * The plugins take turns, round by round, so that they share whatever else the machine does.
 */
const SETTINGS = {
  plugins: {
    help: 'What to measure, separated by commas: own, or NAME=ENDPOINT, or NAME=NODE_ENDPOINT+CONTROLLER_ENDPOINT.',
    fallback: 'own',
    parse: list,
  },
  volumes: { help: 'Volumes for each concurrency and round.', fallback: '64', parse: integer(1, 10_000) },
  rounds: { help: 'Rounds; the median of each figure is told.', fallback: '1', parse: integer(1, 100) },
  concurrency: { help: 'Calls in flight at once, separated by commas.', fallback: '1,16', parse: list },
  driver: { help: 'Driver of our own services: shared (folders) or image.', fallback: 'shared', parse: text },
  bytes: { help: 'Size of a volume in bytes.', fallback: String(16 * 2 ** 20), parse: integer(1, Number.MAX_SAFE_INTEGER) },
};

interface Plugin {
  readonly name: string;
  readonly node: CsiClient;
  readonly controller: CsiClient;
  stop(): Promise<void>;
}

async function main(): Promise<void> {
  const read = readSettings(SETTINGS, {
    argv: process.argv.slice(2),
    env: {},
    prefix: 'VOLPLANE_BENCH',
    usage: 'npm run bench:csi -- [flags]',
  });
  if (read.type !== 'settings') {
    process.stdout.write(read.type === 'help' ? read.text : `${read.faults.join('\n')}\n`);
    process.exitCode = read.type === 'help' ? 0 : 1;
    return;
  }
  const { plugins: wanted, driver, rounds, concurrency, volumes, bytes } = read.settings;
  const folder = await mkdtemp(join(tmpdir(), 'csi-bench-'));
  const plugins: Plugin[] = [];
  try {
    for (const one of wanted) plugins.push(await openPlugin(one, driver));
    const rates: Rates = new Map();
    for (let round = 0; round < rounds; round += 1) {
      for (const calls of concurrency) {
        for (const plugin of plugins) {
          const prefix = `bench-${String(systemClock.wallMs())}`;
          // One after the other: they measure the same machine.
          const seconds = await measureLife(plugin, { folder, prefix, volumes, bytes, concurrency: Number(calls), clock: systemClock });
          for (const [step, took] of seconds) record(rates, `${step} at ${calls}`, plugin.name, volumes / took);
        }
      }
    }
    printTable(
      rates,
      plugins.map((plugin) => plugin.name),
    );
  } finally {
    for (const plugin of plugins) await plugin.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function openPlugin(wanted: string, driver: string): Promise<Plugin> {
  if (wanted === 'own') {
    const scope = driver === 'image' ? { scope: 'global' } : {};
    const cluster = await CsiCluster.start({
      driver,
      drivers: [{ kind: driver, name: driver, root: 'FOLDER', unguarded: true, ...scope }],
    });
    return { name: 'volplane', node: cluster.node('n1'), controller: cluster.controller(), stop: () => cluster.stop() };
  }
  const at = wanted.indexOf('=');
  const [endpoint = '', controllerEndpoint = endpoint] = wanted.slice(at + 1).split('+');
  const node = new CsiClient(parseEndpoint(endpoint));
  const controller = new CsiClient(parseEndpoint(controllerEndpoint));
  const stop = async (): Promise<void> => {
    node.close();
    controller.close();
  };
  return { name: at < 0 ? endpoint : wanted.slice(0, at), node, controller, stop };
}

function record(rates: Rates, row: string, plugin: string, rate: number): void {
  const columns = rates.get(row) ?? new Map<string, number[]>();
  rates.set(row, columns);
  columns.set(plugin, [...(columns.get(plugin) ?? []), rate]);
}

await main();
