import { AppError, silentLogger } from '@volplane/base';
import { parseNodeName, type NodeEvent, type VolumeEvent } from '@volplane/domain';
import { MemoryDisk, type MemoryBus } from '@volplane/testkit';
import { changesAnswer, MANAGERS_SUBJECT, openAnswer } from '@volplane/wire';
import { expect } from 'chai';
import { Agent } from '../src/agent/agent.js';
import { World, type TestManager } from './world.js';

/** An agent passes watches on as questions to whichever manager answers; its watchers see what a manager's see. */
describe('a watch at an agent', () => {
  let world: World;
  let agent: Agent;
  let stop: AbortController;
  let running: Promise<unknown>[];
  let managers: readonly TestManager[];
  let asker: MemoryBus;

  beforeEach(async () => {
    world = new World();
    managers = [await world.manager('m1'), await world.manager('m2')];
    asker = world.network.open('asker');
    await world.agent('n1');
    stop = new AbortController();
    running = [];
    agent = await start(world);
  });

  afterEach(async () => {
    stop.abort();
    await world.settle(Promise.allSettled(running));
    await world.settle(agent.stop());
    await world.end();
  });

  async function start(place: World): Promise<Agent> {
    const { network, clock, random } = place;
    const started = Agent.start({
      node: parseNodeName('watcher'),
      labels: {},
      version: 'test',
      journal: new MemoryDisk().open(),
      bus: network.open('watcher'),
      drivers: [],
      clock,
      random,
      log: silentLogger,
    });
    await place.until(() => place.hasSession('watcher'), 'the agent is registered');
    return started;
  }

  /** What a watcher has seen so far. */
  function seen<Event>(watch: AsyncIterable<Event>): { readonly events: Event[]; readonly ended: Promise<unknown> } {
    const events: Event[] = [];
    const ended = (async () => {
      for await (const event of watch) events.push(event);
    })();
    running.push(ended);
    ended.catch(() => undefined);
    return { events, ended };
  }

  const context = (): { readonly signal: AbortSignal; readonly timeoutMs: number } => ({ signal: stop.signal, timeoutMs: 3_600_000 });
  const create = (name: string): Promise<unknown> =>
    world.settle(agent.api.createVolume({ name, driver: 'shared', node: 'n1' }, { ...context(), timeoutMs: 30_000 }));
  const remove = (name: string): Promise<unknown> => world.settle(agent.api.removeVolume({ name }, { ...context(), timeoutMs: 30_000 }));
  const told = (events: readonly VolumeEvent[]): readonly string[] =>
    events.map((event) =>
      event.type === 'synced' ? 'synced' : `${event.type} ${event.type === 'removed' ? event.name : event.volume.name}`,
    );

  it('shows what is there, then every volume that comes, changes and goes, and no other', async () => {
    await create('web-1');
    await create('other');
    const { events } = seen(agent.api.watchVolumes({ namePrefix: 'web-' }, context()));
    await world.until(() => told(events).includes('synced'), 'what is there has been shown');
    expect(told(events)).to.deep.equal(['present web-1', 'synced']);
    await create('web-2');
    await create('other-2');
    await world.until(() => events.some((event) => event.type === 'changed' && event.volume.phase === 'ready'), 'the new volume is shown');
    await remove('web-1');
    await world.until(() => told(events).includes('removed web-1'), 'the remove is shown');
    expect(told(events).slice(2).join()).to.match(/^(changed web-2,)+(changed web-1,)*removed web-1$/);
    const revisions = events.flatMap((event) => (event.type === 'changed' ? [event.revision] : []));
    expect(revisions).to.deep.equal(revisions.toSorted((one, other) => one - other));
  });

  it('goes on when another manager starts', async () => {
    const { events } = seen(agent.api.watchVolumes({}, context()));
    await world.until(() => told(events).includes('synced'), 'what is there has been shown');
    await create('before');
    await world.manager('m3');
    for (let index = 0; index < 10; index += 1) await create(`after-${String(index)}`);
    await world.until(() => told(events).includes('changed after-9'), 'the last one is shown');
    const names = new Set(events.flatMap((event) => (event.type === 'changed' ? [event.volume.name] : [])));
    expect(names).to.have.property('size', 11);
  });

  it('is told to begin anew when the manager cannot know what was missed', async () => {
    await create('missed');
    const late = await world.manager('late');
    const ask = (afterRevision: number): Promise<unknown> =>
      world.settle(
        asker.request(
          MANAGERS_SUBJECT,
          { type: 'changes', of: 'volumes', afterRevision, namePrefix: '', waitMs: 0 },
          { timeoutMs: 10_000 },
        ),
      );
    // Whoever answers: the late one has not seen it, the others have.
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(1)));
    const outcomes = answers.map((answer) => openOutcome(answer));
    expect(new Set(outcomes)).to.deep.equal(new Set(['OVERLOADED', 'missed']));
    expect(openOutcome(await ask(late.cache.revision))).to.equal('');
  });

  it('holds up no manager that stops: questions that wait are answered', async () => {
    const { revision } = openAnswer(await world.settle(ask()), changesAnswer);
    const waiting = ask(revision);
    // It has reached one of the two.
    await world.clock.advance(50);
    for (const manager of managers) await manager.stop();
    const beganMs = world.clock.monotonicMs();
    expect(openOutcome(await world.settle(waiting))).to.equal('');
    expect(world.clock.monotonicMs() - beganMs, 'of the simulated 30 s').to.be.below(5_000);

    function ask(afterRevision?: number): Promise<unknown> {
      const after = afterRevision === undefined ? {} : { afterRevision };
      const question = { type: 'changes', of: 'volumes', ...after, namePrefix: '', waitMs: 30_000 };
      return asker.request(MANAGERS_SUBJECT, question, { timeoutMs: 60_000 });
    }
  });

  it('shows nodes that come and change', async () => {
    const { events } = seen<NodeEvent>(agent.api.watchNodes({ namePrefix: 'n' }, context()));
    await world.until(() => events.some(({ type }) => type === 'synced'), 'what is there has been shown');
    expect(events.flatMap((event) => (event.type === 'present' ? [event.node.name] : []))).to.deep.equal(['n1']);
    const second = await world.agent('n2');
    const shows = (state: string): boolean =>
      events.some((event) => event.type === 'changed' && event.node.name === 'n2' && event.node.state === state);
    await world.until(() => shows('connected'), 'the node that came is shown');
    await second.die();
    await world.until(() => shows('gone'), 'the node that went is shown');
  });
});

/** Names of the changed volumes, or the reason of the refusal. */
function openOutcome(answer: unknown): string {
  try {
    const { events } = openAnswer(answer, changesAnswer);
    return (events as readonly VolumeEvent[]).flatMap((event) => (event.type === 'changed' ? [event.volume.name] : [])).join(); // as the manager made them
  } catch (error) {
    return error instanceof AppError ? error.reason : String(error);
  }
}
