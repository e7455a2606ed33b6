import { AppError } from '@volplane/base';
import { type VolumeUid } from '@volplane/domain';
import { gate, rejection } from '@volplane/testkit';
import { acknowledged, openAnswer } from '@volplane/wire';
import { expect } from 'chai';
import { context, driver, World, type FakeAgent, type TestManager } from './world.js';

describe('Manager, claims', () => {
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
    world.settle(manager.api.createVolume({ name, driver: 'shared', ...changes }, context()));

  it('grants and records a claim, and answers it again', async () => {
    const { uid } = await create('data');
    const grant = await n2.claim('data');
    expect(grant).to.include({ uid, epoch: 2, seq: 1, mode: 'rw' });
    expect(await n2.claim('data', { seq: 1 })).to.deep.equal(grant);
    expect(world.volume('data')?.attachments[n2.node]).to.include({ seq: 1, session: n2.session });
  });

  it('refuses another node and names who uses the volume there now', async () => {
    const { uid } = await create('data');
    await n1.claim('data');
    n1.users = { [uid]: ['c7', 'c8'] as FakeAgent['users'][string] };
    const error = await rejection(n2.claim('data'));
    expect(error.reason).to.equal('VOLUME_HELD');
    expect(error.failure.fields).to.include({ holder: 'n1', mountIds: 'c7,c8', holderState: 'in touch' });
  });

  it('takes over on evidence C once the session has ended, and not before', async () => {
    await create('data', { takeover: 'lease' });
    await n1.claim('data');
    n1.kill();
    expect((await rejection(n2.claim('data'))).reason).to.equal('VOLUME_HELD');
    await n1.die();
    expect(await n2.claim('data')).to.include({ epoch: 3 });
    expect(world.volume('data')?.evidence[0]).to.include({ kind: 'C', node: 'n1' });
  });

  it('has the storage fenced at a recorded epoch before it takes over on evidence B', async () => {
    await create('data', { takeover: 'storage' });
    await n1.claim('data');
    await n1.die();
    await n2.claim('data');
    const document = world.volume('data');
    expect(n2.fences.map((fence) => fence.epoch)).to.deep.equal([3]);
    expect(document?.evidence[0]).to.include({ kind: 'B', detail: 'storage refuses below 3' });
    expect(document?.epoch).to.equal(4);
  });

  it('takes nothing over without the word of the storage, says why there is none, and asks again at the next claim', async () => {
    await create('data', { takeover: 'storage' });
    await n1.claim('data');
    await n1.die();
    n2.fenceFault = new AppError('DRIVER_FAILED', 'fence program ended with 3: array is locked');
    const error = await rejection(n2.claim('data'));
    expect(error.reason).to.equal('VOLUME_HELD');
    expect(error.message).to.contain('fence program ended with 3: array is locked');
    expect(error.failure.fields).to.include({ holder: 'n1' });
    expect(error.failure.fields['freedBy']).to.contain('repair the fence of driver shared');
    expect(Object.keys(world.volume('data')?.attachments ?? {})).to.deep.equal(['n1']);
    n2.fenceFault = undefined;
    expect(await n2.claim('data')).to.include({ epoch: 5 });
    expect(n2.fences.map((fence) => fence.epoch)).to.deep.equal([3, 4]);
  });

  it('does not hear about its guardian from an earlier life of the agent, however late that comes (rule 20)', async () => {
    await create('data', { takeover: 'lease' });
    const late = { type: 'unguarded', ...n1.speaker(), unguarded: false, turn: 9 } as const;
    await n1.register();
    expect(n1.session).to.equal(late.session);
    await n1.claim('data');
    openAnswer(await n1.ask({ type: 'unguarded', ...n1.speaker(), unguarded: true, turn: 1 }), acknowledged);
    expect((await rejection(n1.ask(late).then((answer) => openAnswer(answer, acknowledged)))).reason).to.equal('SESSION_LOST');
    await n1.die();
    expect((await rejection(n2.claim('data'))).reason).to.equal('VOLUME_HELD');
    expect(world.volume('data')?.attachments[n1.node]).to.include({ seq: 1 });
  });

  it('believes of one life of an agent only the latest word about its guardian, whatever comes late (rule 20)', async () => {
    await create('data', { takeover: 'lease' });
    const told = async (unguarded: boolean, turn: number): Promise<boolean> => {
      openAnswer(await n1.ask({ type: 'unguarded', ...n1.speaker(), unguarded, turn }), acknowledged);
      return (await n1.heartbeat()).unguarded;
    };
    expect(await told(true, 1)).to.equal(true);
    expect(await told(false, 2)).to.equal(false);
    expect(await told(true, 3)).to.equal(true);
    expect(await told(false, 2)).to.equal(true);
    expect(await told(true, 5)).to.equal(true);
    expect(await told(false, 4)).to.equal(true);
    expect(await told(true, 1)).to.equal(true);
    expect(await told(false, 2)).to.equal(true);
    await n1.register();
    expect(await told(false, 1)).to.equal(false);
  });

  it('takes away a mark that was written by hand with the first word that the node is guarded', async () => {
    for (const value of ['{', 'null', '{"schema":1}']) {
      await world.kv.transact([{ compares: [], writes: [{ type: 'put', key: '/volplane/unguarded/n1', value }] }]);
      openAnswer(await n1.ask({ type: 'unguarded', ...n1.speaker(), unguarded: false, turn: 1 }), acknowledged);
      expect(world.kv.entries('/volplane/unguarded/')).to.deep.equal([]);
    }
  });

  it('does not take over what an unguarded node held (rule 20)', async () => {
    await create('data', { takeover: 'lease' });
    await n1.claim('data');
    await n1.ask({ type: 'unguarded', ...n1.speaker(), unguarded: true, turn: 1 });
    await n1.die();
    expect((await rejection(n2.claim('data'))).failure.fields['freedBy']).to.contain('guardian');
  });

  it('refuses a claim for a driver that only others run', async () => {
    await create('data');
    const n3 = await world.agent('n3', { drivers: [driver('other')] });
    expect((await rejection(n3.claim('data'))).reason).to.equal('NODE_LACKS_DRIVER');
  });

  it('lets one of two claims at two managers win', async () => {
    const other = await world.manager('m2');
    await create('data');
    await world.until(() => other.cache.volumes.size === 1, 'the other manager knows the volume');
    const outcomes = await Promise.allSettled([n1.claim('data'), n2.claim('data')]);
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).to.have.length(1);
    expect(Object.keys(world.volume('data')?.attachments ?? {})).to.have.length(1);
  });

  describe('releases', () => {
    it('end the attachment with evidence A; a late one is nothing', async () => {
      const { uid } = await create('data');
      await n1.claim('data');
      await n1.release('data', uid);
      expect(world.volume('data')?.attachments).to.deep.equal({});
      await n1.claim('data');
      await n1.release('data', uid, 1);
      expect(Object.keys(world.volume('data')?.attachments ?? {})).to.deep.equal(['n1']);
    });
  });

  describe('held lists (rules 11 and 12)', () => {
    it('release what is absent with a seq at or above the record', async () => {
      await create('data');
      await n1.claim('data');
      expect(await n1.heldList([])).to.deep.equal({ notYours: [] });
      expect(world.volume('data')?.evidence[0]).to.include({ kind: 'A', node: 'n1' });
    });

    it('do not release a claim that is younger than the list', async () => {
      await create('data');
      await n1.claim('data');
      await n1.heldList([], { seq: 0 });
      expect(Object.keys(world.volume('data')?.attachments ?? {})).to.deep.equal(['n1']);
    });

    it('protect what is being claimed, also by a name whose uid is not known yet (4 steps, no fault needed)', async () => {
      await create('data');
      await n1.claim('data');
      expect(await n1.heldList([{ name: 'data', seq: 1, state: 'claiming' }])).to.deep.equal({ notYours: [] });
      expect(Object.keys(world.volume('data')?.attachments ?? {})).to.deep.equal(['n1']);
    });

    it('tell of what is held without a record, with the seq and the uid of the entry', async () => {
      const { uid } = await create('data');
      await n2.claim('data');
      const { notYours } = await n1.heldList([{ name: 'data', uid, seq: 1, state: 'held' }]);
      expect(notYours).to.deep.equal([{ name: 'data', uid, seq: 1 }]);
    });

    it('never tell a claiming entry that it is not its own', async () => {
      const { uid } = await create('data');
      await n2.claim('data');
      expect(await n1.heldList([{ name: 'data', uid, seq: 1, state: 'claiming' }])).to.deep.equal({ notYours: [] });
    });

    it('are answered on a read that began after they arrived: a grant just committed elsewhere is known', async () => {
      const { uid } = await create('data');
      const deaf = await world.manager('m2', {
        hooks: {
          // Its watch is late by more than a list takes to arrive.
          scheduleDelivery: (_, deliver) => {
            world.clock.after(100, deliver);
          },
        },
      });
      world.network.disconnect('m2');
      await n1.claim('data');
      world.network.reconnect('m2');
      world.network.disconnect('m1');
      expect(await n1.heldList([{ name: 'data', uid, seq: 1, state: 'held' }])).to.deep.equal({ notYours: [] });
      expect(deaf.cache.volumes.attachedOn(n1.node).size).to.equal(1);
    });

    it('keep the mount of a volume when an older one of the same name is listed beside it', async () => {
      const { uid } = await create('data');
      await n1.claim('data');
      const old = 'ab'.repeat(16) as VolumeUid; // 32 hexadecimal characters
      const { notYours } = await n1.heldList([
        { name: 'data', uid, seq: 1, state: 'held' },
        { name: 'data', uid: old, seq: 0, state: 'held' },
      ]);
      expect(notYours).to.deep.equal([{ name: 'data', uid: old, seq: 0 }]);
      expect(Object.keys(world.volume('data')?.attachments ?? {})).to.deep.equal(['n1']);
    });

    it('release and tell only within their part of the names', async () => {
      const { uid } = await create('aa');
      await create('mm');
      await n1.claim('aa');
      await n1.claim('mm');
      const { notYours } = await n1.heldList([{ name: 'aa', uid, seq: 99, state: 'held' }], { from: 'bb', to: 'nn' });
      expect(notYours).to.deep.equal([]);
      expect(Object.keys(world.volume('aa')?.attachments ?? {})).to.deep.equal(['n1']);
      expect(Object.keys(world.volume('mm')?.attachments ?? {})).to.deep.equal([]);
    });

    it('leave a mount alone whose document does not validate', async () => {
      const { uid } = await create('data');
      await n1.claim('data');
      await world.kv.transact([{ compares: [], writes: [{ type: 'put', key: '/volplane/volumes/data', value: '{"schema":2}' }] }]);
      expect(await n1.heldList([{ name: 'data', uid, seq: 1, state: 'held' }])).to.deep.equal({ notYours: [] });
    });
  });

  describe('under the brake', () => {
    it('stop when more than a third of the nodes was lost at once, and go on when an operator declares them lost', async () => {
      await create('data', { takeover: 'lease' });
      await n1.claim('data');
      const n3 = await world.agent('n3');
      await n1.die();
      await n3.die();
      const error = await rejection(n2.claim('data'));
      expect(error.reason).to.equal('TAKEOVER_BRAKE');
      expect(error.message).to.contain('2 of 3 nodes');
      const plan = await world.settle(manager.api.planNodeLost({ name: 'n3' }, context()));
      await world.settle(manager.api.declareNodeLost({ name: 'n3', planRevision: plan.planRevision, note: 'ann' }, context()));
      expect(await n2.claim('data')).to.include({ mode: 'rw' });
    });

    it('stop at a manager that starts when the nodes are gone already', async () => {
      await create('data', { takeover: 'lease' });
      await n1.claim('data');
      const n3 = await world.agent('n3');
      await n1.die();
      await n3.die();
      manager.crash();
      await world.manager('m2');
      expect((await rejection(n2.claim('data'))).reason).to.equal('TAKEOVER_BRAKE');
    });

    it('stop after the allowed number in a minute, and go on a minute later', async () => {
      manager.crash();
      manager = await world.manager('m2', { brake: { lostShareMax: 1, takeoversPerMinuteMax: 2, lostWindowMs: 1_000 } });
      for (const name of ['v1', 'v2', 'v3']) {
        await create(name, { takeover: 'lease' });
        await n1.claim(name);
      }
      await n1.die();
      await n2.claim('v1');
      await n2.claim('v2');
      expect((await rejection(n2.claim('v3'))).reason).to.equal('TAKEOVER_BRAKE');
      const startMs = world.clock.monotonicMs();
      await world.until(() => world.clock.monotonicMs() > startMs + 60_000, 'a minute has passed', 1_000);
      expect(await n2.claim('v3')).to.include({ mode: 'rw' });
    });

    it('stop at the allowed number also when all claims come at once, and the store is slow', async () => {
      manager.crash();
      const held = gate();
      let isSlow = false;
      manager = await world.manager('m2', {
        brake: { lostShareMax: 1, takeoversPerMinuteMax: 2, lostWindowMs: 1_000 },
        hooks: {
          beforeApply: ({ batch }) => (isSlow && batch?.some(({ writes }) => writes.length > 0) === true ? held.opened : undefined),
        },
      });
      const names = ['v1', 'v2', 'v3', 'v4', 'v5'];
      for (const name of names) {
        await create(name, { takeover: 'lease' });
        await n1.claim(name);
      }
      await n1.die();
      isSlow = true;
      const claims = Promise.allSettled(names.map((name) => n2.claim(name)));
      await world.until(() => n2.seq === names.length, 'all are sent');
      held.open();
      const refused = (await claims).flatMap((claim) => (claim.status === 'rejected' ? [(claim.reason as AppError).reason] : []));
      expect(refused).to.deep.equal(['TAKEOVER_BRAKE', 'TAKEOVER_BRAKE', 'TAKEOVER_BRAKE']);
    });

    it('do not stop for the last one that is allowed when it has to be decided again', async () => {
      manager.crash();
      let meddle: (() => Promise<void>) | undefined;
      manager = await world.manager('m2', {
        brake: { lostShareMax: 1, takeoversPerMinuteMax: 1, lostWindowMs: 1_000 },
        hooks: {
          beforeApply: async ({ batch }) => {
            const meddling =
              batch?.some(({ writes }) => writes.some(({ key }) => key === '/volplane/volumes/data')) === true ? meddle : undefined;
            if (meddling === undefined) return;
            meddle = undefined;
            await meddling();
          },
        },
      });
      await create('data', { takeover: 'lease' });
      await create('other', { takeover: 'lease' });
      await n1.claim('data');
      await n1.claim('other');
      await n1.die();
      meddle = () => {
        const document = world.volume('data');
        return document === undefined
          ? Promise.resolve()
          : world.store({ ...document, spec: { ...document.spec, labels: { by: 'another manager' } } });
      };
      expect(await n2.claim('data')).to.include({ mode: 'rw' });
      expect(meddle).to.equal(undefined);
      expect((await rejection(n2.claim('other'))).reason).to.equal('TAKEOVER_BRAKE');
    });

    it('do not stop for takeovers that an operator has asked for', async () => {
      manager.crash();
      manager = await world.manager('m2', { brake: { lostShareMax: 1, takeoversPerMinuteMax: 1, lostWindowMs: 1_000 } });
      const n3 = await world.agent('n3');
      await create('v1', { node: 'n1' });
      await create('v2', { takeover: 'lease', node: 'n3' });
      await n1.claim('v1');
      await n3.claim('v2');
      await n1.die();
      await n3.die();
      const lost = { ...world.node('n1'), lost: { at: 'now', by: 'ann' } };
      await world.kv.transact([{ compares: [], writes: [{ type: 'put', key: '/volplane/nodes/n1', value: JSON.stringify(lost) }] }]);
      await n2.claim('v1');
      expect(world.volume('v1')?.evidence.at(-1)).to.include({ kind: 'D' });
      expect(await n2.claim('v2')).to.include({ mode: 'rw' });
    });
  });
});
