import { parseVolumeName, type OperationId, type VolumeDocument, type VolumeUid } from '@volplane/domain';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { context, World, type FakeAgent, type TestManager } from './world.js';

describe('Manager, work on volumes', () => {
  let world: World;
  let manager: TestManager;

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1');
    await world.agent('n1');
    await world.settle(manager.api.createVolume({ name: 'data', driver: 'shared' }, context()));
  });

  afterEach(() => world.end());

  it('refuses a wrong name of a snapshot as what it is', async () => {
    for (const method of ['createSnapshot', 'removeSnapshot'] as const) {
      const { failure } = await rejection(world.settle(manager.api[method]({ name: 'data', snapshot: 's' }, context())));
      expect(failure.reason).to.equal('INVALID_NAME');
      expect(failure.message).to.contain('snapshot name "s"');
      expect(failure.fields).to.include({ field: 'snapshot' });
    }
  });

  it('does not remove a volume of another uid, and tells both uids', async () => {
    const uid = world.volume('data')?.uid ?? '';
    const other = 'f'.repeat(32);
    const { failure } = await rejection(world.settle(manager.api.removeVolume({ name: 'data', uid: other }, context())));
    expect(failure.reason).to.equal('VOLUME_NOT_FOUND');
    expect(failure.message).to.contain(other).and.to.contain(uid);
    expect(world.volume('data')?.phase).to.equal('ready');
    await world.settle(manager.api.removeVolume({ name: 'data', uid }, context()));
    expect(world.volume('data')).to.equal(undefined);
  });

  it('finishes what other nodes have to do while one that hangs has more to do than all sweeps drive at once', async () => {
    const [n2, n3] = [await world.agent('n2'), await world.agent('n3')];
    const document = world.volume('data');
    if (document === undefined) throw new Error('the volume is there');
    n2.onCommand = () => new Promise(() => undefined);
    const creating = (index: number, name: string, { node: owner, uid: ownerUid }: FakeAgent): VolumeDocument => ({
      ...document,
      name: parseVolumeName(name),
      uid: index.toString(16).padStart(32, '0') as VolumeUid, // 32 hexadecimal characters
      owner,
      ownerUid,
      phase: 'creating',
      operation: { id: index.toString(16).padStart(32, '0') as OperationId, kind: 'create', since: document.createdAt, parameters: {} },
    });
    const hung = Array.from({ length: 300 }, (_, index) => creating(index, `hung-${String(index)}`, n2));
    await world.store(...hung, creating(300, 'last', n3));
    await world.until(() => world.volume('last')?.phase === 'ready', 'the volume of the other node is made');
    expect(n2.commands).to.have.length(64);
  });

  it('makes and removes a snapshot of a name that every object knows', async () => {
    for (const snapshot of ['first', 'constructor']) await world.settle(manager.api.createSnapshot({ name: 'data', snapshot }, context()));
    expect(Object.keys(world.volume('data')?.snapshots ?? {})).to.deep.equal(['first', 'constructor']);
    await world.settle(manager.api.removeSnapshot({ name: 'data', snapshot: 'constructor' }, context()));
    expect(Object.keys(world.volume('data')?.snapshots ?? {})).to.deep.equal(['first']);
    const clone = { name: 'copy', driver: 'shared', source: { volume: 'data', snapshot: 'constructor' } };
    expect((await rejection(world.settle(manager.api.createVolume(clone, context())))).reason).to.equal('VOLUME_NOT_FOUND');
  });
});
