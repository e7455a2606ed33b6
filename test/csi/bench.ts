import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { integer, list, readSettings, systemClock, text } from '@volplane/base';
import { parseEndpoint } from '@volplane/csi';
import { CsiClient, type Answers, type Method } from '../../packages/csi/test/support/csi-client.js';
import { CsiCluster } from './support/csi-cluster.js';

/**
 * `npm run bench:csi`: how many calls a second a CSI plugin answers, call by call through the life of volumes, at each
 * concurrency. Any plugin: `-- --endpoint unix:///csi.sock`. Without an endpoint a manager and an agent of ours are started.
 */
const SETTINGS = {
  endpoint: { help: 'CSI endpoint to measure; empty = start our own services.', fallback: '', parse: text },
  controllerEndpoint: { help: 'Endpoint of the controller, when it is another.', fallback: '', parse: text },
  volumes: { help: 'Volumes for each concurrency.', fallback: '64', parse: integer(1, 10_000) },
  concurrency: { help: 'Calls in flight at once, separated by commas.', fallback: '1,16', parse: list },
  driver: { help: 'Driver of our own services: shared (folders) or image.', fallback: 'shared', parse: text },
  bytes: { help: 'Size of a volume in bytes.', fallback: String(16 * 2 ** 20), parse: integer(1, Number.MAX_SAFE_INTEGER) },
};

interface Bench {
  readonly controller: CsiClient;
  readonly node: CsiClient;
  readonly folder: string;
  readonly volumes: number;
  readonly bytes: number;
}

const CAPABILITY = { mount: {}, access_mode: { mode: 1 } };

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
  const { settings } = read;
  const own = settings.endpoint === '' ? await startOwn(settings.driver) : undefined;
  const folder = await mkdtemp(join(tmpdir(), 'csi-bench-'));
  const endpoint = own?.nodeEndpoint('n1') ?? settings.endpoint;
  const controllerEndpoint = own?.controllerEndpoint ?? (settings.controllerEndpoint === '' ? endpoint : settings.controllerEndpoint);
  const node = new CsiClient(parseEndpoint(endpoint));
  const controller = new CsiClient(parseEndpoint(controllerEndpoint));
  try {
    const bench = { controller, node, folder, volumes: settings.volumes, bytes: settings.bytes };
    const columns = new Map<string, Map<string, string>>();
    for (const concurrency of settings.concurrency) {
      // One after the other: they measure the same machine.
      columns.set(concurrency, await measure(bench, Number(concurrency)));
    }
    print(columns);
  } finally {
    node.close();
    controller.close();
    await own?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function startOwn(driver: string): Promise<CsiCluster> {
  const global = driver === 'image' ? { scope: 'global' } : {};
  return await CsiCluster.start({ driver, drivers: [{ kind: driver, name: driver, root: 'FOLDER', ...global }] });
}

/** Calls a second of every step, by its name; steps that the plugin does not offer are left out. */
async function measure(bench: Bench, concurrency: number): Promise<Map<string, string>> {
  const { controller, node, folder, bytes } = bench;
  const rates = new Map<string, string>();
  const names = Array.from({ length: bench.volumes }, (_, index) => `bench-${String(concurrency)}-${String(index)}`);
  const step = async <M extends Method>(
    method: M,
    client: CsiClient,
    request: (name: string, id: string) => object,
  ): Promise<readonly Answers[M][]> => {
    const startMs = systemClock.monotonicMs();
    const answers = await inParallel(names, concurrency, (name, index) => client.call(method, request(name, ids[index] ?? '')));
    const seconds = (systemClock.monotonicMs() - startMs) / 1000;
    rates.set(rates.has(method) ? `${method} (again)` : method, (names.length / seconds).toFixed(0));
    return answers;
  };
  const ids: string[] = [];
  const { node_id } = await node.call('NodeGetInfo', {});
  const controllerTypes = (await controller.call('ControllerGetCapabilities', {})).capabilities.map(({ rpc }) => rpc.type);
  const nodeTypes = (await node.call('NodeGetCapabilities', {})).capabilities.map(({ rpc }) => rpc.type);
  const attaches = controllerTypes.includes(2);
  const stages = nodeTypes.includes(1);
  const create = (name: string): object => ({ name, capacity_range: { required_bytes: String(bytes) }, volume_capabilities: [CAPABILITY] });
  const staging = (name: string): object => (stages ? { staging_target_path: join(folder, 'staging', name) } : {});
  const target = (name: string): object => ({ target_path: join(folder, name) });
  for (const { volume } of await step('CreateVolume', controller, create)) ids.push(volume.volume_id);
  await step('CreateVolume', controller, create);
  const used = (id: string): object => ({ volume_id: id, volume_capability: CAPABILITY });
  if (attaches) await step('ControllerPublishVolume', controller, (_, id) => ({ ...used(id), node_id }));
  if (stages) await step('NodeStageVolume', node, (name, id) => ({ ...used(id), ...staging(name) }));
  await step('NodePublishVolume', node, (name, id) => ({ ...used(id), ...staging(name), ...target(name) }));
  await step('NodeUnpublishVolume', node, (name, id) => ({ volume_id: id, ...target(name) }));
  if (stages) await step('NodeUnstageVolume', node, (name, id) => ({ volume_id: id, ...staging(name) }));
  if (attaches) await step('ControllerUnpublishVolume', controller, (_, id) => ({ volume_id: id, node_id }));
  await step('DeleteVolume', controller, (_, id) => ({ volume_id: id }));
  return rates;
}

async function inParallel<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      // One after the other in each worker: that is the concurrency.
      if (item !== undefined) results[index] = await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}

function print(columns: ReadonlyMap<string, ReadonlyMap<string, string>>): void {
  const methods = new Set([...columns.values()].flatMap((rates) => [...rates.keys()]));
  process.stdout.write(`${'calls a second'.padEnd(28)}${[...columns.keys()].map((one) => `at ${one}`.padStart(10)).join('')}\n`);
  for (const method of methods) {
    process.stdout.write(`${method.padEnd(28)}${[...columns.values()].map((rates) => (rates.get(method) ?? '').padStart(10)).join('')}\n`);
  }
}

await main();
