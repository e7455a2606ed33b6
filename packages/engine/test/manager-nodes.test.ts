import { AppError, noTelemetry } from '@volplane/base';
import type { NodeEvent, NodeLostPlan, VolumeUid } from '@volplane/domain';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { context, TTL_MS, driver, World, type FakeAgent, type TestManager } from './world.js';

describe('Manager, nodes', () => {
  let world: World;
  let manager: TestManager;
  let n1: FakeAgent;
  let n2: FakeAgent;

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1', { brake: { lostShareMax: 1, takeoversPerMinuteMax: 1_000, lostWindowMs: 1_000 } });
    n1 = await world.agent('n1');
    n2 = await world.agent('n2');
  });

  afterEach(() => world.end());

  const create = (name: string, changes: object = {}): Promise<{ readonly uid: VolumeUid }> =>
    world.settle(manager.api.createVolume({ name, driver: 'shared', node: 'n1', ...changes }, context()));
  const plan = (name = 'n1'): Promise<NodeLostPlan> => world.settle(manager.api.planNodeLost({ name }, context()));
  const declare = (planRevision: string, name = 'n1'): Promise<NodeLostPlan> =>
    world.settle(manager.api.declareNodeLost({ name, planRevision, note: 'ann: burnt down' }, context()));

  it('lives for a whole TTL from its registration on, also when it goes on with a session that was about to end', async () => {
    const { session } = n1;
    n1.kill();
    await world.clock.advance(TTL_MS - 1_000);
    expect(world.hasSession('n1')).to.equal(true);
    await n1.register();
    expect(n1.session).to.equal(session);
    // Before its first heartbeat.
    await world.clock.advance(2_000);
    expect(world.hasSession('n1')).to.equal(true);
  });

  describe('cordon', () => {
    it('keeps new mounts and volumes away until it is taken back', async () => {
      await create('data');
      const node = await world.settle(manager.api.cordonNode({ name: 'n1', cordoned: true }, context()));
      expect(node).to.include({ name: 'n1', cordoned: true, state: 'connected' });
      expect((await rejection(n1.claim('data'))).reason).to.equal('NODE_CORDONED');
      const refusal = await rejection(create('more'));
      expect(refusal.reason).to.equal('NODE_CORDONED');
      expect(refusal.message).to.contain('n1: cordoned');
      await world.settle(manager.api.cordonNode({ name: 'n1', cordoned: false }, context()));
      expect(await n1.claim('data')).to.include({ mode: 'rw' });
    });

    it('stays through a restart of the agent', async () => {
      await world.settle(manager.api.cordonNode({ name: 'n1', cordoned: true }, context()));
      await n1.register();
      expect(world.node('n1')?.cordoned).to.equal(true);
    });

    it('is for nodes that have registered', async () => {
      const cordon = world.settle(manager.api.cordonNode({ name: 'n9', cordoned: true }, context()));
      expect((await rejection(cordon)).reason).to.equal('NODE_NOT_FOUND');
    });

    it('survives an answer that was lost on the way', async () => {
      manager.crash();
      let lost = 0;
      const shaky = await world.manager('m2', {
        hooks: {
          afterApply: ({ batch }) => {
            const isCordon = batch?.some(({ writes }) => writes.some((write) => write.key === '/volplane/nodes/n1')) === true;
            if (isCordon && (lost += 1) === 1) throw new AppError('UNKNOWN_OUTCOME', 'answer lost');
          },
        },
      });
      const node = await world.settle(shaky.api.cordonNode({ name: 'n1', cordoned: true }, context()));
      expect([node.cordoned, lost]).to.deep.equal([true, 1]);
    });

    it('does not say that nothing was changed when the store fails before it can be asked what became of it', async () => {
      manager.crash();
      let isDown = false;
      const shaky = await world.manager('m2', {
        hooks: {
          beforeApply: () => {
            if (isDown) throw new AppError('STORE_UNAVAILABLE', 'nothing was changed');
          },
          afterApply: ({ batch }) => {
            if (batch?.some(({ writes }) => writes.some((write) => write.key === '/volplane/nodes/n1')) !== true) return;
            isDown = true;
            throw new AppError('UNKNOWN_OUTCOME', 'answer lost');
          },
        },
      });
      const error = await rejection(world.settle(shaky.api.cordonNode({ name: 'n1', cordoned: true }, context())));
      expect(world.node('n1')?.cordoned).to.equal(true);
      expect([error.reason, error.failure.fields['node']]).to.deep.equal(['UNKNOWN_OUTCOME', 'n1']);
    });
  });

  describe('drain', () => {
    it('moves what is not held, and names what remains and why', async () => {
      for (const name of ['free', 'held', 'both']) await create(name, name === 'both' ? { accessMode: 'multi-node-multi-writer' } : {});
      await n1.claim('held');
      await n1.claim('both');
      n1.onCall = (method) => {
        expect(method).to.equal('listVolumes');
        return { volumes: [{ name: 'scratch' }], unansweredNodes: [], warnings: [] };
      };
      const drained = await world.settle(manager.api.drainNode({ name: 'n1' }, context()));
      expect(drained.node.cordoned).to.equal(true);
      expect(drained.moved).to.deep.equal(['both', 'free']);
      expect(drained.remaining.map(({ name, scope }) => `${scope} ${name}`)).to.deep.equal(['global both', 'global held', 'local scratch']);
      expect(drained.remaining[1]?.reason).to.contain('mounted rw on n1').and.contain('first for c-n1');
      expect(drained.remaining[2]?.reason).to.contain('lives on n1 only');
      expect([world.volume('free')?.owner, world.volume('held')?.owner]).to.deep.equal(['n2', 'n1']);
    });

    it('says why a volume cannot move when no other node can take it', async () => {
      await create('data');
      await n2.die();
      const { moved, remaining } = await world.settle(manager.api.drainNode({ name: 'n1' }, context()));
      expect(moved).to.deep.equal([]);
      expect(remaining[0]?.reason).to.contain('n2: no session');
    });

    it('names local volumes as last known when the node does not answer', async () => {
      await n1.ask({
        type: 'inventory',
        ...n1.speaker(),
        volumes: [{ name: 'scratch' as never, uid: 'ab'.repeat(16) as VolumeUid, driver: 'local', createdAt: 'then' }],
        truncated: false,
      });
      await n1.die();
      const { remaining } = await world.settle(manager.api.drainNode({ name: 'n1' }, context()));
      expect(remaining.map(({ name, scope }) => `${scope} ${name}`)).to.deep.equal(['local scratch']);
      expect(remaining[0]?.reason).to.contain('as last known');
    });

    it('can be repeated', async () => {
      await create('data');
      n1.onCall = () => ({ volumes: [], unansweredNodes: [], warnings: [] });
      await world.settle(manager.api.drainNode({ name: 'n1' }, context()));
      expect((await world.settle(manager.api.drainNode({ name: 'n1' }, context()))).moved).to.deep.equal([]);
    });
  });

  describe('a lost node', () => {
    beforeEach(async () => {
      await create('held');
      await create('free');
      await create('other', { node: 'n2' });
      await n1.claim('held');
      await n1.die();
      await world.until(() => world.volume('free')?.owner === 'n2', 'the free volume was re-homed');
    });

    it('is planned first: each volume with what it risks, and the revision that confirms it', async () => {
      const shown = await plan();
      expect(shown).to.include({ node: 'n1', nodeUid: n1.uid, state: 'gone', done: false });
      expect(shown.volumes.map(({ name, attached, owned }) => [name, attached, owned])).to.deep.equal([['held', true, true]]);
      expect(shown.volumes[0]?.risk).to.contain('two nodes write');
      expect((await plan()).planRevision).to.equal(shown.planRevision);
    });

    it('is declared with evidence D for what it held, and its volumes get other owners', async () => {
      const done = await declare((await plan()).planRevision);
      expect(done).to.include({ state: 'lost', done: true });
      expect(done.volumes.map(({ name }) => name)).to.deep.equal(['held']);
      const held = world.volume('held');
      expect(held).to.include({ owner: 'n2' });
      expect(held?.attachments).to.deep.equal({});
      expect(held?.evidence[0]).to.include({ kind: 'D', node: 'n1', detail: 'declared lost: ann: burnt down' });
      expect(world.node('n1')?.lost?.by).to.equal('ann: burnt down');
      expect(await n2.claim('held')).to.include({ mode: 'rw' });
    });

    it('is not declared on a plan that has become stale, and the refusal names the new revision', async () => {
      const { planRevision } = await plan();
      await world.settle(manager.api.forceRelease({ name: 'held', node: 'n1', note: 'bob' }, context()));
      const error = await rejection(declare(planRevision));
      expect(error.reason).to.equal('PLAN_STALE');
      expect(error.failure.fields['planRevision']).to.equal((await plan()).planRevision);
      expect(world.node('n1')?.lost).to.equal(undefined);
    });

    it('is not declared while it has a session, and nothing is taken from it', async () => {
      const { planRevision } = await plan();
      await n1.register();
      expect((await rejection(declare(planRevision))).reason).to.equal('NODE_ALIVE');
      expect(Object.keys(world.volume('held')?.attachments ?? {})).to.deep.equal(['n1']);
    });

    it('is not declared when it comes back between the plan and the record of the word', async () => {
      const { planRevision } = await plan();
      const late = await world.manager('m2', {
        hooks: {
          beforeApply: async ({ batch }) => {
            const isWord = batch?.some(({ writes }) =>
              writes.some((write) => write.type === 'put' && write.value.includes('ann: burnt down')),
            );
            if (isWord === true && !world.hasSession('n1')) {
              await world.kv.transact([{ compares: [], writes: [{ type: 'put', key: '/volplane/sessions/n1', value: session }] }]);
            }
          },
        },
      });
      const session = JSON.stringify({
        schema: 1,
        node: 'n1',
        nodeUid: n1.uid,
        session: '1',
        incarnation: n1.incarnation,
        startNumber: 9,
        since: 'now',
      });
      const call = world.settle(late.api.declareNodeLost({ name: 'n1', planRevision, note: 'ann: burnt down' }, context()));
      expect((await rejection(call)).reason).to.equal('NODE_ALIVE');
      expect(world.node('n1')?.lost).to.equal(undefined);
    });

    it('can be declared again with the same call when the first answer was lost', async () => {
      const { planRevision } = await plan();
      await declare(planRevision);
      expect(await declare(planRevision)).to.include({ state: 'lost', done: true });
    });

    it('never comes back, and another machine takes its name', async () => {
      await declare((await plan()).planRevision);
      expect((await rejection(n1.register())).reason).to.equal('NODE_LOST');
      const successor = await world.agent('n1', { uid: 'new' });
      expect(await successor.claim('held')).to.include({ mode: 'rw' });
      expect(world.node('n1')?.lost).to.equal(undefined);
    });

    it('needs a note of some length', async () => {
      const { planRevision } = await plan();
      const call = world.settle(manager.api.declareNodeLost({ name: 'n1', planRevision, note: ' ' }, context()));
      expect((await rejection(call)).reason).to.equal('INVALID_ARGUMENT');
    });

    it('is taken out of its volumes by the sweeps when the manager dies right after the word', async () => {
      const { planRevision } = await plan();
      const frail = await world.manager('m2', {
        hooks: {
          afterApply: ({ batch }) => {
            const isWord = batch?.some(({ writes }) => writes.some((write) => write.key === '/volplane/nodes/n1' && write.type === 'put'));
            if (isWord === true) frail.crash();
          },
        },
      });
      frail.api.declareNodeLost({ name: 'n1', planRevision, note: 'ann: burnt down' }, context()).catch(() => undefined);
      await world.until(() => world.volume('held')?.owner === 'n2', 'a sweep has taken the node out');
      expect(world.volume('held')?.evidence[0]).to.include({ kind: 'D', node: 'n1' });
    });

    it('is taken out of its volumes by the sweeps although another machine has its name already', async () => {
      // The word is recorded and nothing else, then the name passes on.
      const lost = { ...world.node('n1'), lost: { at: 'then', by: 'ann' } };
      manager.crash();
      await world.kv.transact([{ compares: [], writes: [{ type: 'put', key: '/volplane/nodes/n1', value: JSON.stringify(lost) }] }]);
      manager = await world.manager('m2');
      await world.agent('n1', { uid: 'new' });
      await world.until(() => Object.keys(world.volume('held')?.attachments ?? { left: 1 }).length === 0, 'the attachment is gone');
      await world.until(() => world.volume('held')?.ownerUid !== n1.uid, 'the volume has another owner');
      expect(world.volume('held')?.evidence[0]).to.include({ kind: 'D', nodeUid: n1.uid });
    });

    it('keeps the volumes that nobody else can own, and says so', async () => {
      await world.agent('n3', { drivers: [driver('rare')] });
      await create('rare', { driver: 'rare', node: 'n3' });
      const n3 = world.volume('rare')?.ownerUid;
      await world.settle(world.kv.revokeLease(world.kv.entries('/volplane/sessions/n3')[0]?.lease ?? '1'));
      const done = await declare((await plan('n3')).planRevision, 'n3');
      expect(done.done).to.equal(false);
      expect(world.volume('rare')?.ownerUid).to.equal(n3);
      await world.agent('n4', { drivers: [driver('rare')] });
      await world.until(() => world.volume('rare')?.owner === 'n4', 'a node that can take it gets it', 500);
    });

    it('drops the debts of a former owner, so that a removal can end (rule 18)', async () => {
      const document = world.volume('free');
      expect(document).not.to.equal(undefined);
      if (document === undefined) return;
      await world.store({ ...document, formerOwners: [{ node: n1.node, nodeUid: n1.uid }] });
      const removal = world.settle(manager.api.removeVolume({ name: 'free' }, context(500)));
      expect((await rejection(removal)).reason).to.equal('VOLUME_REMOVING');
      await declare((await plan()).planRevision);
      await world.until(() => world.volume('free') === undefined, 'the volume is removed');
    });
  });

  it('moves 3,000 volumes of a lost node in bulk', async () => {
    const { uid } = await create('vol');
    const template = world.volume('vol');
    if (template === undefined) throw new Error('the volume is there');
    const names = Array.from({ length: 3_000 }, (_, index) => `vol${String(index)}`);
    await world.store(
      ...names.map((name, index) => ({
        ...template,
        name: name as typeof template.name,
        uid: (uid.slice(4) + index.toString(16).padStart(4, '0')) as VolumeUid,
      })),
    );
    await world.until(() => manager.cache.volumes.size === 3_001, 'the volumes are known');
    const sizes: number[] = [];
    await manager.stop();
    manager = await world.manager('m2', { telemetry: { ...noTelemetry, batch: (size) => sizes.push(size) } });
    await n1.die();
    await world.until(() => manager.cache.volumes.ownedBy(n1.node).size === 0, 'every volume has another owner');
    expect(Math.max(...sizes)).to.equal(32);
    expect(sizes.filter((size) => size > 1).reduce((sum, size) => sum + size, 0)).to.be.greaterThan(2_900);
    expect(world.volume('vol2999')).to.include({ owner: 'n2', epoch: template.epoch + 1 });
  });

  describe('watch', () => {
    it('shows the present nodes, then every change, until the signal fires', async () => {
      const controller = new AbortController();
      const events: NodeEvent[] = [];
      const watching = (async () => {
        for await (const event of manager.api.watchNodes({ namePrefix: 'n' }, { signal: controller.signal, timeoutMs: 1_000 }))
          events.push(event);
      })();
      await world.until(() => events.some(({ type }) => type === 'synced'), 'the present nodes were shown');
      expect(events.map((event) => (event.type === 'synced' ? 'synced' : event.node.name))).to.deep.equal(['n1', 'n2', 'synced']);
      await world.settle(manager.api.cordonNode({ name: 'n2', cordoned: true }, context()));
      await n1.die();
      await world.until(() => events.length >= 5, 'both changes were shown');
      const last = events
        .slice(3)
        .map((event) => (event.type === 'synced' ? '' : `${event.node.name} ${event.node.state} ${String(event.node.cordoned)}`));
      expect(last).to.deep.equal(['n2 connected true', 'n1 gone false']);
      controller.abort(new AppError('CANCELLED', 'enough'));
      expect((await rejection(watching)).reason).to.equal('CANCELLED');
    });
  });
});
