import { AppError } from '@volplane/base';
import type { ListSnapshotsRequest, ListVolumesRequest, SnapshotView, VolumePage, VolumeUid, VolumeView } from '@volplane/domain';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { openCallAnswer } from '@volplane/wire';
import { context, driver, World, type FakeAgent, type TestManager } from './world.js';

describe('Manager, lists', () => {
  let world: World;
  let manager: TestManager;
  let n1: FakeAgent;
  let n2: FakeAgent;

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1');
    n1 = await world.agent('n1');
    n2 = await world.agent('n2');
    for (const agent of [n1, n2]) agent.onCall = localVolumes(agent, []);
  });

  afterEach(() => world.end());

  const create = (name: string, changes: object = {}): Promise<{ readonly uid: VolumeUid }> =>
    world.settle(manager.api.createVolume({ name, driver: 'shared', node: 'n1', ...changes }, context()));

  it('finds volumes by a label that every object seems to have', async () => {
    await create('with', { labels: { constructor: 'x' } });
    await create('without');
    expect(await listVolumes({ filter: { labels: { constructor: '' } } })).to.deep.equal([['with']]);
    expect(await listVolumes({ filter: { labels: { toString: '' } } })).to.deep.equal([[]]);
  });

  /** Pages through a whole list. */
  async function pages<T>(
    ask: (pageToken: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next?: string | undefined }>,
  ): Promise<T[][]> {
    const all: T[][] = [];
    let token: string | undefined;
    do {
      // Each page names the next.
      const { items, next } = await ask(token);
      all.push([...items]);
      token = next;
      if (all.length > 100) throw new Error('the list does not end');
    } while (token !== undefined);
    return all;
  }

  describe('of large volumes', () => {
    const labelsOf = (text: string): Record<string, string> =>
      Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`l${String(index)}`, text.repeat(4_000)]));
    /** As an agent passes it on: a message of the bus takes 1 MiB. */
    const page = async (pageToken?: string): Promise<VolumePage> => {
      const request = { pageSize: 1_000, ...(pageToken === undefined ? {} : { pageToken }) };
      const message = { type: 'call', method: 'listVolumes', request, timeoutMs: 5_000 } as const;
      return openCallAnswer(await world.settle(n1.ask(message))) as VolumePage; // what the method answers
    };
    const namesOf = ({ volumes }: VolumePage): readonly string[] => volumes.map(({ name }) => name);

    it('end a page before it is too large for the way on which it was asked for', async () => {
      for (const name of ['aa', 'bb', 'cc', 'dd', 'ee']) await create(name, { labels: labelsOf('x') });
      const first = await page();
      const second = await page(first.nextPageToken);
      const third = await page(second.nextPageToken);
      expect([first, second, third].map(namesOf)).to.deep.equal([['aa', 'bb'], ['cc', 'dd'], ['ee']]);
      expect(third.nextPageToken).to.equal(undefined);
    });

    it('end it behind the node whose volumes fill it', async () => {
      const large = localVolumes(n1, ['l1', 'l2']);
      n1.onCall = (method, request) => {
        const answer = large(method, request) as VolumePage;
        return { ...answer, volumes: answer.volumes.map((volume) => ({ ...volume, labels: labelsOf('x') })) };
      };
      n2.onCall = localVolumes(n2, ['l3']);
      const first = await page();
      expect([namesOf(first), namesOf(await page(first.nextPageToken))]).to.deep.equal([['l1', 'l2'], ['l3']]);
    });

    it('say that a node to filter by never was: nothing of it is no news then', async () => {
      const of = async (node: string): Promise<readonly string[]> =>
        (await world.settle(manager.api.listVolumes({ filter: { node } }, context()))).warnings;
      n1.onCall = localVolumes(n1, []);
      expect(await of('n1')).to.deep.equal([]);
      expect(await of('n9')).to.deep.equal(['node "n9" has never registered']);
    });

    it('say so when it is too large all the same', async () => {
      // Each character has six bytes as JSON, which nobody counts beforehand.
      const labels = Object.fromEntries(Object.entries(labelsOf('\u0001')).slice(0, 20));
      for (const name of ['aa', 'bb', 'cc', 'dd', 'ee']) await create(name, { labels });
      expect((await rejection(page())).failure).to.include({ reason: 'TOO_LARGE' });
    });
  });

  const listVolumes = (request: ListVolumesRequest): Promise<string[][]> =>
    pages(async (pageToken) => {
      const page = await world.settle(
        manager.api.listVolumes({ ...request, ...(pageToken === undefined ? {} : { pageToken }) }, context()),
      );
      return {
        items: page.volumes.map(({ name, node, scope }) => (scope === 'local' ? `${node}/${name}` : name)),
        next: page.nextPageToken,
      };
    });
  const listSnapshots = (request: ListSnapshotsRequest): Promise<string[][]> =>
    pages(async (pageToken) => {
      const page = await world.settle(
        manager.api.listSnapshots({ ...request, ...(pageToken === undefined ? {} : { pageToken }) }, context()),
      );
      return {
        items: page.snapshots.map(({ name, volume, node, scope }) => `${scope === 'local' ? `${node}/` : ''}${volume}@${name}`),
        next: page.nextPageToken,
      };
    });

  describe('of volumes', () => {
    it('show global ones by name, then those of each node, whatever the size of a page', async () => {
      for (const name of ['cc', 'aa', 'bb']) await create(name);
      n1.onCall = localVolumes(n1, ['x1', 'x2', 'x3']);
      n2.onCall = localVolumes(n2, ['aa', 'x4']);
      const whole = ['aa', 'bb', 'cc', 'n1/x1', 'n1/x2', 'n1/x3', 'n2/aa', 'n2/x4'];
      expect(await listVolumes({})).to.deep.equal([whole]);
      for (const pageSize of [1, 2, 3, 4, 5]) {
        const all = await listVolumes({ pageSize });
        expect(all.flat(), `pages of ${String(pageSize)}`).to.deep.equal(whole);
        expect(Math.max(...all.map((page) => page.length))).to.be.at.most(pageSize);
      }
    });

    it('name the nodes that do not answer, and show what they told last, page after page', async () => {
      const volumes = ['l1', 'l2', 'l3'].map((name) => ({
        name: name as never,
        uid: 'ab'.repeat(16) as VolumeUid,
        driver: 'local',
        createdAt: 'then',
      }));
      await n1.ask({ type: 'inventory', ...n1.speaker(), volumes, truncated: false });
      n1.onCall = () => {
        throw new AppError('DISK_FAILED', 'no journal');
      };
      n2.onCall = localVolumes(n2, ['x4']);
      const page = await world.settle(manager.api.listVolumes({}, context()));
      expect(page.unansweredNodes).to.deep.equal(['n1']);
      expect(page.warnings[0]).to.contain('no answer from n1');
      expect(page.volumes[0]).to.include({ name: 'l1', unavailable: true });
      expect((await listVolumes({ pageSize: 2 })).flat()).to.deep.equal(['n1/l1', 'n1/l2', 'n1/l3', 'n2/x4']);
    });

    it('filter by prefix, scope and node', async () => {
      for (const name of ['app-a', 'app-b', 'db-a']) await create(name);
      n1.onCall = localVolumes(n1, ['app-l']);
      expect(await listVolumes({ filter: { namePrefix: 'app-', scope: 'global' } })).to.deep.equal([['app-a', 'app-b']]);
      expect((await listVolumes({ filter: { scope: 'local', node: 'n1' } })).flat()).to.deep.equal(['n1/app-l']);
      expect((await listVolumes({ filter: { namePrefix: 'app-' }, pageSize: 1 })).flat()).to.deep.equal(['app-a', 'app-b', 'n1/app-l']);
    });

    it('refuse tokens that they did not make', async () => {
      for (const pageToken of [
        'x',
        'e30',
        Buffer.from('[1]').toString('base64url'),
        Buffer.from('{"scope":"global"}').toString('base64url'),
      ]) {
        const call = world.settle(manager.api.listVolumes({ pageToken }, context()));
        expect((await rejection(call)).reason).to.equal('PAGE_TOKEN_INVALID');
      }
    });

    it('leave a document alone that does not validate, and say so', async () => {
      await create('good');
      await world.kv.transact([{ compares: [], writes: [{ type: 'put', key: '/volplane/volumes/bad', value: '{}' }] }]);
      const page = await world.settle(manager.api.listVolumes({}, context()));
      expect(page.volumes.map(({ name }) => name)).to.deep.equal(['good']);
      expect(page.warnings[0]).to.contain('/volplane/volumes/bad');
      const call = world.settle(manager.api.createVolume({ name: 'bad', driver: 'shared' }, context()));
      expect((await rejection(call)).reason).to.equal('DOCUMENT_INVALID');
    });
  });

  describe('of snapshots', () => {
    beforeEach(async () => {
      for (const [volume, names] of [
        ['bb', ['s2', 's1']],
        ['aa', ['s3']],
        ['cc', []],
      ] as const) {
        await create(volume);
        for (const snapshot of names) await world.settle(manager.api.createSnapshot({ name: volume, snapshot }, context()));
      }
      n2.onCall = localVolumes(n2, ['l1', 'l2'], { l1: ['k1', 'k2', 'k3'], l2: ['k4'] });
    });

    const whole = ['aa@s3', 'bb@s1', 'bb@s2', 'n2/l1@k1', 'n2/l1@k2', 'n2/l1@k3', 'n2/l2@k4'];

    it('show those of global volumes by volume and name, then those of each node', async () => {
      expect(await listSnapshots({})).to.deep.equal([whole]);
      for (const pageSize of [1, 2, 3, 4])
        expect((await listSnapshots({ pageSize })).flat(), `pages of ${String(pageSize)}`).to.deep.equal(whole);
    });

    it('filter by name, volume and node', async () => {
      expect((await listSnapshots({ filter: { names: ['s1', 'k4'] } })).flat()).to.deep.equal(['bb@s1', 'n2/l2@k4']);
      expect((await listSnapshots({ filter: { namePrefix: 's', volume: 'bb' }, pageSize: 1 })).flat()).to.deep.equal(['bb@s1', 'bb@s2']);
      expect((await listSnapshots({ filter: { node: 'n2' }, pageSize: 3 })).flat()).to.deep.equal(whole.slice(3));
    });

    it('name the nodes that do not answer', async () => {
      await n2.die();
      const page = await world.settle(manager.api.listSnapshots({}, context()));
      expect(page.unansweredNodes).to.deep.equal(['n2']);
      expect(page.snapshots).to.have.length(3);
    });

    it('tell the volume, its owner and the size', async () => {
      const page = await world.settle(manager.api.listSnapshots({ pageSize: 1 }, context()));
      const [first] = page.snapshots as readonly [SnapshotView];
      expect(first).to.include({ name: 's3', volume: 'aa', driver: 'shared', scope: 'global', node: 'n1', ready: true });
    });
  });

  describe('of drivers and capacity', () => {
    it('ask a node that runs the driver, and another one when it does not answer', async () => {
      const asked: string[] = [];
      n1.onCall = () => {
        asked.push('n1');
        throw new AppError('DRIVER_UNAVAILABLE', 'server away');
      };
      n2.onCall = (method, request) => {
        asked.push(`n2 ${method} ${JSON.stringify(request)}`);
        return { availableBytes: 7 };
      };
      expect(await world.settle(manager.api.getCapacity({ driver: 'shared' }, context()))).to.deep.equal({ availableBytes: 7 });
      expect(asked).to.deep.equal(['n1', 'n2 getCapacity {"driver":"shared","node":"n2"}']);
    });

    it('tell the most that one node has of a local driver, or that of the named node', async () => {
      for (const [name, availableBytes] of [
        ['n3', 5],
        ['n4', 9],
      ] as const) {
        const agent = await world.agent(name, { drivers: [driver('disk', { scope: 'local' })] });
        agent.onCall = () => ({ availableBytes });
      }
      expect(await world.settle(manager.api.getCapacity({ driver: 'disk' }, context()))).to.deep.equal({ availableBytes: 9 });
      expect(await world.settle(manager.api.getCapacity({ driver: 'disk', node: 'n3' }, context()))).to.deep.equal({ availableBytes: 5 });
    });

    it('refuse what cannot be told', async () => {
      await world.agent('n3', { drivers: [driver('plain', { size: false })] });
      const refusal = async (request: { readonly driver: string; readonly node?: string }): Promise<string> =>
        (await rejection(world.settle(manager.api.getCapacity(request, context())))).reason;
      expect(await refusal({ driver: 'nope' })).to.equal('DRIVER_NOT_FOUND');
      expect(await refusal({ driver: 'shared', node: 'n3' })).to.equal('DRIVER_NOT_FOUND');
      expect(await refusal({ driver: 'shared', node: 'n9' })).to.equal('NODE_NOT_FOUND');
      expect(await refusal({ driver: 'plain' })).to.equal('CAPABILITY_MISSING');
      await n1.die();
      expect(await refusal({ driver: 'shared', node: 'n1' })).to.equal('NODE_UNAVAILABLE');
    });
  });

  describe('release of a gone node', () => {
    const releaseGone = (name: string): Promise<VolumeView> => world.settle(manager.api.releaseGone({ name, node: 'n1' }, context()));

    it('ends the attachment on evidence C, and is done when it is asked again', async () => {
      await create('data', { takeover: 'lease' });
      await n1.claim('data');
      expect((await rejection(releaseGone('data'))).failure.fields['freedBy']).to.equal('unmount it on n1');
      await n1.die();
      expect((await releaseGone('data')).attachments).to.deep.equal([]);
      expect(world.volume('data')?.evidence[0]).to.include({ kind: 'C' });
      expect((await releaseGone('data')).attachments).to.deep.equal([]);
    });

    it('has the storage refuse the node for evidence B', async () => {
      await create('data', { takeover: 'storage' });
      await n1.claim('data');
      await n1.die();
      expect((await releaseGone('data')).attachments).to.deep.equal([]);
      expect(n2.fences.map(({ epoch }) => epoch)).to.deep.equal([3]);
      expect(world.volume('data')?.evidence[0]).to.include({ kind: 'B', detail: 'storage refuses below 3' });
    });

    it('never on anybody’s word', async () => {
      await create('data');
      await n1.claim('data');
      await n1.die();
      expect((await rejection(releaseGone('data'))).reason).to.equal('VOLUME_HELD');
      expect(n2.fences).to.deep.equal([]);
    });
  });
});

/** An agent's list of its local volumes, in pages of its own. */
function localVolumes(
  agent: FakeAgent,
  names: readonly string[],
  snapshots: Readonly<Record<string, readonly string[]>> = {},
): FakeAgent['onCall'] {
  return (method, request) => {
    if (method !== 'listVolumes') throw new AppError('INVALID_ARGUMENT', `the test does not expect ${method}`);
    const { pageSize, pageToken = '', filter } = request as ListVolumesRequest;
    expect(filter?.scope).to.equal('local');
    const rest = names.filter((name) => name > pageToken && (filter?.namePrefix === undefined || name.startsWith(filter.namePrefix)));
    const shown = rest.slice(0, pageSize).filter((name) => filter?.names === undefined || filter.names.includes(name));
    const last = rest.slice(0, pageSize).at(-1);
    const volumes = shown.map((name) => ({
      name,
      uid: 'cd'.repeat(16),
      driver: 'local',
      scope: 'local',
      node: agent.node,
      labels: {},
      attachments: [],
      snapshots: Object.fromEntries(
        (snapshots[name] ?? []).map((snapshot) => [snapshot, { createdAt: 'then', sizeBytes: 1, ready: true }]),
      ),
    }));
    return {
      volumes,
      unansweredNodes: [],
      warnings: [],
      ...(last !== undefined && rest.length > shown.length ? { nextPageToken: last } : {}),
    };
  };
}
