import { silentLogger } from '@volplane/base';
import { FakeCluster, fakeApi } from '@volplane/testkit';
import type { VolumeView } from '@volplane/domain';
import { expect } from 'chai';
import type { ControllerContext } from '../src/controller/context.js';
import { listVolumes } from '../src/controller/list-volumes.js';
import { collectPages } from '../src/controller/pages.js';
import { LABELS } from '../src/labels.js';
import { CSI_DEFAULTS } from '../src/options.js';
import { csiService } from '../src/proto-file.js';
import { TopologyMap } from '../src/topology.js';
import { GLOBAL } from './support/csi-world.js';

/** What a client written in Go takes, unless it is told otherwise. */
const GO_BYTES_MAX = 4 * 2 ** 20;

const context = { signal: new AbortController().signal, timeoutMs: 1_000 };

/** All of `items` page by page, as the API gives them: the token is where the next page begins. */
function pagesOf<T>(items: readonly T[]): (page: { readonly pageSize: number; readonly pageToken?: string }) => {
  readonly items: readonly T[];
  readonly nextPageToken?: string;
} {
  return ({ pageSize, pageToken = '0' }) => {
    const end = Number(pageToken) + pageSize;
    return { items: items.slice(Number(pageToken), end), ...(end < items.length ? { nextPageToken: String(end) } : {}) };
  };
}

describe('csi pages', () => {
  it('of long ids and topologies are below what a client takes, and tell every volume once', async () => {
    const api = fakeApi(new FakeCluster({ nodes: [{ name: 'n1', drivers: [GLOBAL] }] }));
    const view = await api.createVolume({ name: 'v1', driver: GLOBAL.name }, context);
    const bound = ['zone', 'region', 'rack', 'room'].map((label) => `${label}=${label.padEnd(63, 'x')}`).join(',');
    const views = Array.from({ length: 20_000 }, (_, index): VolumeView => {
      const name = `volume-${String(index).padStart(5, '0')}`.padEnd(111, 'x') as VolumeView['name']; // a name's characters and length
      return { ...view, name, labels: { [LABELS.topology]: bound } };
    });
    const readPage = pagesOf(views);
    const controller = {
      api: {
        listVolumes: (request: Parameters<typeof readPage>[0]) => {
          const { items, nextPageToken } = readPage(request);
          return Promise.resolve({ volumes: items, nextPageToken, unansweredNodes: [] });
        },
      },
      options: { ...CSI_DEFAULTS, defaultDriver: 'shared', vendorVersion: '1' },
      topology: new TopologyMap(CSI_DEFAULTS.name, []),
      log: silentLogger,
    } as unknown as ControllerContext; // as much of it as is asked for
    const serialize = csiService('Controller')['ListVolumes']?.responseSerialize;
    const ids: string[] = [];
    const sizes: number[] = [];
    let token = '';
    do {
      // Each page names the next.
      const answer = await listVolumes(controller, { max_entries: 0, starting_token: token }, context);
      sizes.push(serialize?.(answer).length ?? Infinity);
      ids.push(...answer.entries.map(({ volume }) => volume.volume_id));
      token = answer.next_token;
    } while (token !== '');
    expect(Math.max(...sizes)).to.be.below(GO_BYTES_MAX);
    expect(new Set(ids).size).to.equal(views.length);
    expect(ids).to.have.length(views.length);
  });

  it('tell no volume that is only being made or has no id, and not the silent nodes either, which are logged', async () => {
    const api = fakeApi(new FakeCluster({ nodes: [{ name: 'n1', drivers: [GLOBAL] }] }));
    const view = await api.createVolume({ name: 'v1', driver: GLOBAL.name }, context);
    const begun: VolumeView = { ...view, name: 'begun' as VolumeView['name'], phase: 'creating' };
    const nameless: VolumeView = { ...view, scope: 'local', name: 'x'.repeat(128) as VolumeView['name'] };
    const warnings: unknown[] = [];
    const controller = {
      api: { listVolumes: () => Promise.resolve({ volumes: [begun, view, nameless], unansweredNodes: ['n2'] }) },
      options: { ...CSI_DEFAULTS, defaultDriver: 'shared', vendorVersion: '1' },
      topology: new TopologyMap(CSI_DEFAULTS.name, []),
      log: { ...silentLogger, warn: (_: string, fields: unknown) => warnings.push(fields) },
    } as unknown as ControllerContext; // as much of it as is asked for
    const { entries } = await listVolumes(controller, { max_entries: 0, starting_token: '' }, context);
    expect(entries.map(({ volume }) => volume.volume_id.split(':')[0])).to.deep.equal(['v1']);
    expect(warnings).to.deep.equal([{ nodes: ['n2'] }]);
  });

  it('of enormous entries have fewer, down to one', async () => {
    for (const [characters, most] of [
      [100_000, 41],
      [5_000_000, 1],
    ] as const) {
      const entries = Array.from({ length: 60 }, (_, index) => ({ index, text: 'x'.repeat(characters) }));
      const readPage = pagesOf(entries);
      const first = await collectPages('', 0, (page) => Promise.resolve(readPage(page)));
      expect(first.items.length).to.be.within(1, most);
      expect(first.nextToken).to.equal(String(first.items.length));
    }
  });

  it('of ordinary entries are as long as they may be', async () => {
    const entries = Array.from({ length: 12_000 }, (_, index) => ({ index, text: 'x'.repeat(300) }));
    const readPage = pagesOf(entries);
    const all = await collectPages('', 0, (page) => Promise.resolve(readPage(page)));
    expect(all.items).to.have.length(10_000);
    expect(await collectPages('', 1_500, (page) => Promise.resolve(readPage(page)))).to.have.property('nextToken', '1500');
  });
});
