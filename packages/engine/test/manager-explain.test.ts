import { AppError } from '@volplane/base';
import type { DriverName, MountId, VolumeExplanation, VolumeName, VolumeUid } from '@volplane/domain';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { context, World, type FakeAgent, type TestManager } from './world.js';

describe('Manager, explain', () => {
  let world: World;
  let manager: TestManager;
  let n1: FakeAgent;
  let n2: FakeAgent;

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1');
    n1 = await world.agent('n1');
    n2 = await world.agent('n2');
  });

  afterEach(() => world.end());

  const create = (name: string, changes: object = {}): Promise<{ readonly uid: VolumeUid }> =>
    world.settle(manager.api.createVolume({ name, driver: 'shared', node: 'n1', ...changes }, context()));
  const explain = (changes: object = {}): Promise<VolumeExplanation> =>
    world.settle(manager.api.explainVolume({ name: 'data', ...changes }, context()));

  it('tells the holder, its users now, the candidates, and what another node would be answered', async () => {
    const { uid } = await create('data');
    await n1.claim('data');
    n1.users = { [uid]: ['c7' as MountId] };
    const told = await explain({ forNode: 'n2' });
    expect(told.volume).to.include({ name: 'data', uid, phase: 'ready' });
    expect(told.holders[0]).to.deep.include({ nodeState: 'connected', mountIds: ['c7'], freedBy: 'unmount it on n1' });
    expect(told.candidates.map(({ node, passed }) => [node, passed])).to.deep.equal([
      ['n1', true],
      ['n2', true],
    ]);
    expect(told.refusal).to.include({ reason: 'VOLUME_HELD', freedBy: 'unmount it on n1' });
  });

  it('leaves out the users of a holder that does not answer', async () => {
    await create('data');
    await n1.claim('data');
    await n1.die();
    const [holder] = (await explain()).holders;
    expect(holder).to.include({ nodeState: 'gone' }).and.not.to.have.property('mountIds');
  });

  it('tells what nodes use it without a right to it, and which did not answer', async () => {
    const { uid } = await create('data');
    await n1.claim('data');
    n2.users = { [uid]: ['c9' as MountId] };
    const told = await explain();
    expect(told.summary).to.include(
      'n2 (connected) has it in use for c9 without a right to it, and ends that mount as soon as it hears so',
    );
    expect(told.candidates.map(({ node, mountIds }) => [node, mountIds])).to.deep.equal([
      ['n1', []],
      ['n2', ['c9']],
    ]);
    await n2.die();
    expect((await explain()).summary.join()).to.match(/asked now, n2 \(gone since [^)]+\) did not answer/);
  });

  it('judges what nodes say by a record that was the same before and after', async () => {
    const { uid } = await create('data', { accessMode: 'multi-node-multi-writer' });
    // The second node gets its right while it is asked.
    let claims = 0;
    const claimMeanwhile = async (): Promise<void> => {
      claims += 1;
      if (claims > 1) return;
      n2.users = { [uid]: ['c-n2' as MountId] };
      await n2.claim('data');
    };
    let isExplaining = false;
    const racing = await world.manager('m2', {
      hooks: { beforeApply: ({ method }) => (isExplaining && method === 'range' ? claimMeanwhile() : undefined) },
    });
    await n1.claim('data');
    isExplaining = true;
    const told = await world.settle(racing.api.explainVolume({ name: 'data' }, context()));
    expect(claims).to.be.above(1);
    expect(told.summary.join()).not.to.contain('without a right');
    expect(told.holders.map(({ attachment }) => attachment.node)).to.deep.equal(['n1', 'n2']);
  });

  it('tells what a pending operation waits for', async () => {
    n1.onCommand = () => new Promise<undefined>(() => undefined);
    await rejection(world.settle(manager.api.createVolume({ name: 'data', driver: 'shared', node: 'n1' }, context(500))));
    expect((await explain()).waitsFor)
      .to.contain('create since')
      .and.contain('n1 (in touch)');
  });

  it('tells the history from the store, the youngest first, back to the creation', async () => {
    const { uid } = await create('data', { takeover: 'lease' });
    await n1.claim('data');
    await n1.release('data', uid);
    await n2.claim('data');
    expect((await explain()).history.map(({ summary }) => summary)).to.deep.equal([
      'granted rw to n2 for c-n2 at epoch 3; owner n1 became n2; epoch 2 became 3',
      'attachment of n1 ended on evidence A: unmounted',
      'granted rw to n1 for c-n1 at epoch 2; epoch 1 became 2',
      'creating became ready; create ended',
      'recorded as creating, owned by n1, at epoch 1',
    ]);
  });

  it('tells no history of an earlier volume of the name', async () => {
    await create('data');
    await world.settle(manager.api.removeVolume({ name: 'data' }, context()));
    await create('data');
    expect((await explain()).history).to.have.length(2);
  });

  it('stops at what is compacted away, and says so', async () => {
    const { uid } = await create('data');
    await n1.claim('data');
    const { generation } = await world.settle(manager.api.getVolume({ name: 'data' }, context()));
    await n1.release('data', uid);
    world.kv.compact(generation);
    expect((await explain()).history.map(({ summary }) => summary)).to.deep.equal([
      'attachment of n1 ended on evidence A: unmounted',
      'changed; what was before is compacted away',
    ]);
  });

  it('goes back a bounded number of steps', async () => {
    await create('data');
    for (let turn = 0; turn < 40; turn += 1) {
      await world.settle(manager.api.updateLabels({ name: 'data', set: { turn: String(turn) }, drop: [] }, context()));
    }
    const { history } = await explain();
    expect(history).to.have.length(33);
    expect(history.at(-1)?.summary).to.contain('older changes are not shown');
    const older = await explain({ atRevision: history.at(-1)?.revision });
    expect(older.history.at(-1)?.summary).to.contain('recorded as creating');
  });

  describe('as of an earlier revision', () => {
    it('tells what was the case then, with the nodes of then', async () => {
      const { uid } = await create('data');
      await n1.claim('data');
      const then = await world.settle(manager.api.getVolume({ name: 'data' }, context()));
      await n1.release('data', uid);
      await n1.die();
      await world.settle(manager.api.removeVolume({ name: 'data' }, context()));
      const told = await explain({ atRevision: then.generation, forNode: 'n2' });
      expect(told.volume.generation).to.equal(then.generation);
      expect(told.summary[0]).to.equal(`as of revision ${String(then.generation)}, and not of now:`);
      expect(told.candidates.map(({ reason }) => reason)).to.deep.equal([
        'how many volumes it owned is not known',
        'how many volumes it owned is not known',
      ]);
      expect(told.holders[0]).to.include({ nodeState: 'connected' }).and.not.to.have.property('mountIds');
      expect(told.refusal).to.include({ reason: 'VOLUME_HELD' });
    });

    it('is refused for a revision that is compacted, to come, or before the volume', async () => {
      const before = await world.kv.currentRevision();
      await create('data');
      expect((await rejection(explain({ atRevision: before }))).reason).to.equal('VOLUME_NOT_FOUND');
      expect((await rejection(explain({ atRevision: 99_999 }))).message).to.contain('is not between 1 and');
      world.kv.compact(before + 1);
      expect((await rejection(explain({ atRevision: before }))).message).to.contain('compacted');
    });

    it('is not misled by a name that begins with the same letters', async () => {
      await create('data2');
      const revision = await world.kv.currentRevision();
      expect((await rejection(explain({ atRevision: revision }))).reason).to.equal('VOLUME_NOT_FOUND');
    });
  });

  it('takes a local volume of the node that is named before a global one of its name', async () => {
    await create('data');
    n1.onCall = (_method, request) => ({ name: request['name'], node: 'n1', scope: 'local', phase: 'ready', mountIds: [] });
    n2.onCall = () => {
      throw new AppError('VOLUME_NOT_FOUND', 'no local volume', {});
    };
    expect((await explain({ node: 'n1' })).summary[0]).to.contain('is a local volume of node n1');
    expect((await explain({ node: 'n2' })).summary[0]).to.contain('volume data is ready, owned by n1');
  });

  it('names the nodes that have a local volume of a name that no global one has', async () => {
    const volumes = [{ name: 'data' as VolumeName, uid: 'd'.repeat(32) as VolumeUid, driver: 'local' as DriverName, createdAt: '' }];
    await n2.ask({ type: 'inventory', ...n2.speaker(), volumes, truncated: false });
    const refused = await rejection(explain());
    expect(refused.reason).to.equal('VOLUME_NOT_FOUND');
    expect(refused.message).to.equal('no global volume data exists; there is a local one of that name on n2: name the node');
  });

  it('finds no volume, and takes a local one from its node', async () => {
    expect((await rejection(explain())).reason).to.equal('VOLUME_NOT_FOUND');
    n1.onCall = (method, request) => {
      expect(method).to.equal('getVolume');
      return { name: request['name'], node: 'n1', scope: 'local', phase: 'ready', mountIds: ['c1', 'c2'] };
    };
    const told = await explain({ node: 'n1' });
    expect(told.summary).to.deep.equal([
      'volume data is a local volume of node n1: it lives there only, and the node alone decides about it',
      'used now by c1, c2',
    ]);
  });
});
