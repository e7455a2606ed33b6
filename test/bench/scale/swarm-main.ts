import { silentLogger, systemClock, systemRandom } from '@volplane/base';
import { NatsBus } from '@volplane/bus-nats';
import { parseNodeName, type SessionId } from '@volplane/domain';
import { Agent } from '@volplane/engine';
import { FakeDriver, FakeKernel, FakeStorage, MemoryDisk, waitFor } from '@volplane/testkit';

/**
 * Many agents in one process: the real agent over a real NATS, with journal, driver and kernel in memory. Its parent says how many
 * there are to be, and which are to die.
 */
export type SwarmOrder = { readonly type: 'grow'; readonly nodes: number } | { readonly type: 'lose'; readonly nodes: number };

interface SimulatedNode {
  readonly agent: Agent;
  readonly name: string;
}

const [natsUrl = ''] = process.argv.slice(2);
const storage = new FakeStorage(systemClock);
const kernel = new FakeKernel('swarm');
const buses: NatsBus[] = [];
const nodes: SimulatedNode[] = [];
let made = 0;

process.on('message', (order: SwarmOrder) => {
  act(order).then(
    () => process.send?.({ done: true }),
    (error: unknown) => process.send?.({ fault: String(error) }),
  );
});
process.on('disconnect', () => {
  process.exit();
});

async function act(order: SwarmOrder): Promise<void> {
  if (order.type === 'grow') {
    while (nodes.length < order.nodes) nodes.push(await startNode());
    await waitFor(() => nodes.every(({ agent }) => sessionOf(agent) !== undefined), {
      what: 'every node has a session',
      timeoutMs: 120_000,
    });
    return;
  }
  // The bus of a dead node is as silent as its agent: nothing is said at the end.
  await Promise.all(nodes.splice(-order.nodes).map(({ agent }) => agent.stop()));
}

async function startNode(): Promise<SimulatedNode> {
  const name = `node-${String((made += 1))}`;
  const agent = Agent.start({
    node: parseNodeName(name),
    labels: {},
    version: 'bench',
    journal: new MemoryDisk().open(),
    bus: await busFor(made),
    drivers: [new FakeDriver({ name: 'shared', storage, kernel, clock: systemClock })],
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  return { agent, name };
}

/** Some nodes share a connection: a thousand of them in one process measure this process, not NATS. */
async function busFor(number: number): Promise<NatsBus> {
  const index = Math.floor((number - 1) / NODES_OF_CONNECTION);
  const bus =
    buses[index] ??
    (await NatsBus.open({
      servers: [natsUrl],
      name: `swarm ${String(index)}`,
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
    }));
  buses[index] = bus;
  return bus;
}

function sessionOf(agent: Agent): SessionId | undefined {
  return agent.session.current()?.session;
}

const NODES_OF_CONNECTION = 50;
