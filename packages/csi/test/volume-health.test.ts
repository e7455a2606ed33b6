import type { VolumeView } from '@volplane/domain';
import { fakeApi, FakeCluster } from '@volplane/testkit';
import { expect } from 'chai';
import { conditionOf, toWireHealth } from '../src/volume-health.js';
import { GLOBAL, LOCAL } from './support/csi-world.js';

describe('csi health of a volume', () => {
  const viewOf = async (driver: string): Promise<VolumeView> => {
    const api = fakeApi(new FakeCluster({ nodes: [{ name: 'n1', drivers: [GLOBAL, LOCAL] }] }), 'n1');
    return await api.createVolume({ name: 'v1', driver }, { signal: new AbortController().signal, timeoutMs: 1_000 });
  };

  for (const [what, driver, more, status, reason] of [
    ['a global one that no manager answers for', 'shared', { unavailable: true }, 1, 'Unavailable'],
    ['a local one whose node does not answer', 'local', { unavailable: true }, 2, 'Unavailable'],
    ['one that is being removed', 'shared', { phase: 'removing' }, 2, 'Removing'],
  ] as const) {
    it(`tells ${what}`, async () => {
      const view: VolumeView = { ...(await viewOf(driver)), ...more };
      expect(conditionOf(view)).to.have.property('abnormal', true);
      const { health_statuses } = toWireHealth(view);
      expect(health_statuses.map((each) => [each.status, each.reason])).to.deep.equal([[status, reason]]);
    });
  }

  it('says of a sound one that nothing is known', async () => {
    expect(conditionOf(await viewOf('shared'))).to.deep.equal({ abnormal: false, message: 'no known problem' });
  });
});
