import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ComponentGroup, silentLogger, systemClock, systemRandom } from '@volplane/base';
import { CSI_DEFAULTS, CsiServer, isSpecLevel, systemNodeHost } from '@volplane/csi';
import { systemMounts } from '@volplane/host';
import { fakeApi, FakeCluster, fakeDriver } from '@volplane/testkit';

/**
 * An all-in-one CSI plugin over a cluster in memory, with real bind mounts: `fake-plugin.ts ENDPOINT [SPEC_LEVEL]`. It shows
 * the door alone; the drivers behind it are folders. Ends with SIGTERM.
 */
const [endpoint = '', level = '1.12'] = process.argv.slice(2);
if (!isSpecLevel(level)) throw new Error(`no CSI release is called ${level}`);

const root = await mkdtemp(join(tmpdir(), 'csi-fake-'));
const cluster = new FakeCluster({
  root,
  nodes: [{ name: 'n1', labels: { zone: 'a', 'volplane.csi/max-volumes': '8' }, drivers: [fakeDriver('shared')] }],
});
const node = cluster.node('n1');
const group = new ComponentGroup(silentLogger);
group.own(
  await CsiServer.open({
    endpoint,
    options: { ...CSI_DEFAULTS, specLevel: level, vendorVersion: '0.0.0', defaultDriver: 'shared', topologyLabels: ['zone'] },
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    controller: { api: fakeApi(cluster) },
    node: { api: fakeApi(cluster, 'n1'), host: systemNodeHost(systemMounts(systemClock)), node },
  }),
);
process.send?.('ready');
process.once('SIGTERM', () => {
  group.stop().then(
    () => rm(root, { recursive: true }),
    (error: unknown) => {
      process.exitCode = 1;
      process.stderr.write(`${String(error)}\n`);
    },
  );
});
