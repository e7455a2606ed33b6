import { expect } from 'chai';
import { context, World } from './world.js';

/** Far below the minute that a command may take, above the time in which a session ends. */
const WITHIN_MS = 15_000;

describe('Manager, waiting for a node that goes away', () => {
  let world: World;

  beforeEach(() => {
    world = new World();
  });

  afterEach(() => world.end());

  it('gives its work to another node as soon as its session has ended', async () => {
    const manager = await world.manager('m1');
    const n1 = await world.agent('n1');
    await world.agent('n2');
    n1.onCommand = () => new Promise<undefined>(() => undefined);
    const created = manager.api.createVolume({ name: 'vol', driver: 'shared' }, context(WITHIN_MS));
    await world.until(() => n1.commands.length === 1, 'n1 was asked');
    n1.kill();
    await world.until(() => world.volume('vol')?.phase === 'ready', 'the volume is ready', 250);
    expect(world.volume('vol')?.owner).to.equal('n2');
    expect((await world.settle(created)).phase).to.equal('ready');
  });

  it('asks the next incarnation as soon as it is there', async () => {
    const manager = await world.manager('m1');
    const n1 = await world.agent('n1');
    n1.onCommand = () => new Promise<undefined>(() => undefined);
    const created = manager.api.createVolume({ name: 'vol', driver: 'shared' }, context(WITHIN_MS));
    await world.until(() => n1.commands.length === 1, 'n1 was asked');
    n1.onCommand = () => undefined;
    await n1.register();
    expect((await world.settle(created)).phase).to.equal('ready');
    expect(n1.commands.map(({ operationId }) => operationId)).to.have.length(2);
    expect(new Set(n1.commands.map(({ operationId }) => operationId))).to.have.length(1);
  });

  it('asks it for nothing of a volume that was removed before, which it may have forgotten (rule 17)', async () => {
    let held: (() => void)[] | undefined;
    const behind = await world.manager('m1', {
      hooks: {
        scheduleDelivery: (_watch, deliver) => {
          if (held === undefined) deliverSoon(deliver);
          else held.push(deliver);
        },
      },
    });
    const other = await world.manager('m2');
    const n1 = await world.agent('n1');
    n1.onCommand = ({ kind }) => (kind === 'create' ? new Promise<undefined>(() => undefined) : undefined);
    const created = behind.api.createVolume({ name: 'vol', driver: 'shared' }, context(WITHIN_MS)).catch((error: unknown) => error);
    await world.until(() => n1.commands.length > 0, 'n1 was asked');
    held = [];
    await world.settle(other.api.removeVolume({ name: 'vol' }, context()));
    await n1.register();
    const { incarnation } = n1;
    await world.until(
      () => behind.cache.sessions.get(n1.node)?.document.incarnation === incarnation,
      'm1 knows the new life by a heartbeat',
    );
    await world.clock.advance(2_000);
    const delivered = held;
    held = undefined;
    for (const deliver of delivered) deliver();
    await world.settle(created);
    expect(n1.commands.filter((command) => command.incarnation === incarnation)).to.deep.equal([]);
  });
});

/** As a store in memory does it without being told otherwise. */
function deliverSoon(deliver: () => void): void {
  queueMicrotask(deliver);
}
