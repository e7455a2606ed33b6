import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SpecLevel } from '@volplane/csi';
import { CsiCluster, IMAGES } from './support/csi-cluster.js';
import { buildSanity, runSanity, type SanityCount } from './support/sanity-tool.js';

/**
 * `npm run test:csi-sanity [-- TARGET …]`: gets csi-sanity as a Go module and runs it against our CSI processes, once for
 * each level of the specification that this csi-sanity knows. Ends with 1 when a spec fails or too few pass.
 *
 * Targets: `services` (a manager and an agent, each with its socket, with real etcd, NATS and images), `all-in-one` (the
 * agent serves all on one socket), `door` (the door alone over a cluster in memory). All three by default.
 */
const TARGETS: Readonly<Record<string, (level: SpecLevel, binary: string) => Promise<SanityCount>>> = {
  services: againstServices,
  'all-in-one': againstAllInOne,
  door: againstDoor,
};

const CACHE = fileURLToPath(new URL('../../.cache/csi-sanity', import.meta.url));

/** As many as csi-driver-host-path passes, the example of the specification's own people. */
const PASSED_MIN = 93;

async function main(names: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the node plugin mounts, so csi-sanity must be run as root');
  const { binary, release } = await buildSanity(CACHE);
  for (const name of names.length === 0 ? Object.keys(TARGETS) : names) {
    const target = TARGETS[name];
    if (target === undefined) throw new Error(`no target is called ${name}; there are ${Object.keys(TARGETS).join(', ')}`);
    for (const level of release.levels) {
      // One after the other: csi-sanity counts volumes and wants to be alone.
      const count = await target(level, binary);
      tell(`csi-sanity ${release.version} against ${name}, CSI ${level}`, count);
      if (count.failed.length > 0 || count.passed < PASSED_MIN) process.exitCode = 1;
    }
  }
}

async function againstServices(level: SpecLevel, binary: string): Promise<SanityCount> {
  return await inCluster(level, [], (cluster, folder) =>
    runSanity({ binary, endpoint: cluster.nodeEndpoint('n1'), controllerEndpoint: cluster.controllerEndpoint, folder }),
  );
}

async function againstAllInOne(level: SpecLevel, binary: string): Promise<SanityCount> {
  return await inCluster(level, ['--csi-controller=true'], (cluster, folder) =>
    runSanity({ binary, endpoint: cluster.nodeEndpoint('n1'), folder }),
  );
}

async function inCluster(
  level: SpecLevel,
  agentArgs: readonly string[],
  run: (cluster: CsiCluster, folder: string) => Promise<SanityCount>,
): Promise<SanityCount> {
  const folder = await mkdtemp(join(tmpdir(), 'csi-sanity-'));
  const labels = '--labels=zone=a,volplane.csi/max-volumes=8';
  const cluster = await CsiCluster.start({
    level,
    driver: IMAGES.name,
    drivers: [IMAGES],
    agentArgs: [labels, '--csi-topology=zone', ...agentArgs],
    managerArgs: ['--csi-topology=zone'],
  });
  try {
    return await run(cluster, folder);
  } finally {
    await cluster.stop();
    await rm(folder, { recursive: true });
  }
}

async function againstDoor(level: SpecLevel, binary: string): Promise<SanityCount> {
  const folder = await mkdtemp(join(tmpdir(), 'csi-sanity-'));
  const endpoint = `unix://${join(folder, 'csi.sock')}`;
  const plugin = await startDoor(endpoint, level);
  try {
    return await runSanity({ binary, endpoint, folder });
  } finally {
    plugin.kill('SIGTERM');
    await once(plugin, 'exit');
    await rm(folder, { recursive: true });
  }
}

async function startDoor(endpoint: string, level: SpecLevel): Promise<ChildProcess> {
  const plugin = fork(fileURLToPath(new URL('support/fake-plugin.ts', import.meta.url)), [endpoint, level]);
  const [said] = (await Promise.race([once(plugin, 'message'), once(plugin, 'exit')])) as readonly unknown[];
  if (said !== 'ready') throw new Error(`the plugin ended before it was ready (exit ${String(said)})`);
  return plugin;
}

function tell(what: string, count: SanityCount): void {
  const { passed, failed, skipped, pending } = count;
  process.stdout.write(
    `${what}: ${String(passed)} passed, ${String(failed.length)} failed, ${String(skipped.length)} skipped, ${String(pending.length)} pending\n`,
  );
  for (const [state, names] of Object.entries({ failed, skipped, pending }))
    for (const name of names) process.stdout.write(`  ${state}: ${name}\n`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
