import { expect } from 'chai';
import { fakeDriver, refusal, waitFor } from '@volplane/testkit';
import type { SpecLevel } from '../src/spec-level.js';
import { CsiWorld, PLAIN, type CsiWorldOptions } from './support/csi-world.js';

async function inWorld(options: CsiWorldOptions, work: (world: CsiWorld) => Promise<void>): Promise<void> {
  const world = await CsiWorld.open(options);
  try {
    await work(world);
  } finally {
    await world.close();
  }
}

async function types(
  world: CsiWorld,
  method: 'ControllerGetCapabilities' | 'NodeGetCapabilities' | 'GroupControllerGetCapabilities',
): Promise<readonly number[]> {
  const { capabilities } = await world.call(method);
  return capabilities.map((capability) => capability.rpc.type);
}

describe('csi capabilities', () => {
  const controller: Readonly<Record<string, readonly number[]>> = {
    '1.8': [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
    '1.9': [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    '1.12': [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    '1.13': [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17],
  };
  for (const [level, numbers] of Object.entries(controller)) {
    it(`of level ${level} hold no number that callers of it do not know`, async () => {
      await inWorld({ options: { specLevel: level as SpecLevel } }, async (world) => {
        expect(await types(world, 'ControllerGetCapabilities')).to.deep.equal(numbers);
        expect(await types(world, 'NodeGetCapabilities')).to.deep.equal(level === '1.13' ? [1, 2, 3, 5, 6, 7, 8] : [1, 2, 3, 4, 5, 6]);
        const plugin = (await world.call('GetPluginCapabilities')).capabilities;
        expect(plugin.map((capability) => capability.service?.type ?? capability.type)).to.deep.equal(
          level === '1.13' ? [1, 2, 3, 5, 'volume_expansion'] : [1, 2, 3, 'volume_expansion'],
        );
      });
    });
  }

  it('leave out what no driver can', async () => {
    await inWorld({ nodes: [{ name: 'n1', drivers: [PLAIN] }], options: { defaultDriver: 'plain' } }, async (world) => {
      expect(await types(world, 'ControllerGetCapabilities')).to.deep.equal([1, 2, 3, 8, 10, 11, 12, 13, 14]);
      expect(await types(world, 'NodeGetCapabilities')).to.not.include(3);
      expect(await types(world, 'GroupControllerGetCapabilities')).to.deep.equal([]);
    });
  });

  it('do not promise snapshots that could not be restored', async () => {
    const driver = fakeDriver('shared', { clone: false });
    await inWorld({ nodes: [{ name: 'n1', drivers: [driver] }] }, async (world) => {
      expect(await types(world, 'ControllerGetCapabilities')).to.not.include.members([5]);
    });
  });

  it('speak of the drivers that are served only', async () => {
    await inWorld({ options: { drivers: ['plain'], defaultDriver: 'plain' } }, async (world) => {
      expect(await types(world, 'ControllerGetCapabilities')).to.not.include(9);
      await world.refused('INVALID_ARGUMENT', 'CreateVolume', {
        name: 'v',
        volume_capabilities: [{ mount: {}, access_mode: { mode: 1 } }],
        parameters: { driver: 'shared' },
      });
    });
  });

  it('refuse for one volume what only the drivers of others can', async () => {
    await inWorld({}, async (world) => {
      const volume = await world.createVolume('v', { parameters: { driver: 'plain' } });
      const id = { volume_id: volume.volume_id };
      await world.refused('INVALID_ARGUMENT', 'ControllerExpandVolume', { ...id, capacity_range: { required_bytes: 1 } });
      await world.refused('INVALID_ARGUMENT', 'CreateSnapshot', { name: 's', source_volume_id: volume.volume_id });
      const source = {
        volume_content_source: { volume: id },
        parameters: { driver: 'plain' },
        volume_capabilities: [{ mount: {}, access_mode: { mode: 1 } }],
      };
      await world.refused('INVALID_ARGUMENT', 'CreateVolume', { name: 'copy', ...source });
    });
  });
});

describe('csi identity', () => {
  it('tells a name that csi-sanity takes, and a version', async () => {
    await inWorld({}, async (world) => {
      const { name, vendor_version } = await world.call('GetPluginInfo');
      expect(name).to.match(/^[A-Za-z][-A-Za-z0-9._]{0,61}[A-Za-z]$/);
      expect(vendor_version).to.equal('1.2.3');
    });
  });

  it('is not ready before the drivers are known, and never fails', async () => {
    await inWorld({ withNode: false }, async (world) => {
      world.cluster.fail('listDrivers', refusal('NO_MANAGER'), 3);
      const seen: boolean[] = [];
      await waitFor(
        async () => {
          const { ready } = await world.call('Probe');
          seen.push(ready?.value ?? false);
          return seen.at(-1);
        },
        { what: 'the plugin is ready' },
      );
      expect(seen[0]).to.equal(false);
      expect(seen.at(-1)).to.equal(true);
    });
  });
});
