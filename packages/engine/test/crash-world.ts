import { AppError, assert, seededRandom, silentLogger } from '@volplane/base';
import { parseNodeName, type VolumeDocument } from '@volplane/domain';
import { FakeDriver, FakeKernel, FakeStorage, ManualClock, MemoryBusNetwork, MemoryDisk, MemoryKv } from '@volplane/testkit';
import type { Bus } from '@volplane/ports';
import { parseVolumeDocument } from '@volplane/wire';
import { Agent } from '../src/agent/agent.js';
import type { CallContext, VolplaneApi } from '../src/api.js';
import { Manager } from '../src/manager/manager.js';
import { CrashPoint, mortalBus, mortalKv } from './crash-point.js';

/**
 * Two managers and two agents with one storage, in one process. The first manager gets every message of an agent as long as it
 * lives, and dies at its crash point; then the second one does.
 */
export class CrashWorld {
  readonly clock = new ManualClock();
  readonly kv = new MemoryKv({ clock: this.clock });
  readonly storage = new FakeStorage(this.clock);
  readonly point = new CrashPoint(() => {
    this.network.crash(FIRST);
    this.#bury(new AppError('UNKNOWN_OUTCOME', 'the connection to the manager was lost before the answer came'));
  });
  readonly network: MemoryBusNetwork;
  readonly #random = seededRandom(11);
  readonly #nodes: { readonly agent: Agent; readonly kernel: FakeKernel }[] = [];
  readonly #managers: Manager[] = [];
  #bury: (error: AppError) => void = () => undefined;
  /** Rejects when the first manager dies, as its callers' connections do. */
  readonly #death = new Promise<never>((_, reject) => {
    this.#bury = reject;
  });

  private constructor() {
    this.#death.catch(() => undefined);
    // The first one that serves gets what goes to a group, so that the doomed manager gets everything.
    this.network = new MemoryBusNetwork({ clock: this.clock, random: { ...this.#random, float: () => 0 } });
  }

  static async start(): Promise<CrashWorld> {
    const world = new CrashWorld();
    const first = world.network.open(FIRST);
    world.#startManager(FIRST, mortalKv(world.kv.connect(), world.point), mortalBus(first, world.point));
    await world.settle(world.#managers[0]?.ready ?? Promise.resolve());
    world.#startManager(SECOND, world.kv.connect(), world.network.open(SECOND));
    for (const name of ['n1', 'n2']) world.#startAgent(name);
    await world.until(() => world.#nodes.every(({ agent }) => agent.session.current() !== undefined), 'both nodes have a session');
    await world.until(() => world.kv.entries('/volplane/managers/').length === 2, 'both managers are announced');
    return world;
  }

  /** The doors of the doomed manager: a caller whose call dies with it is told so by its own client. */
  first<T>(call: (api: VolplaneApi) => Promise<T>): Promise<T> {
    return Promise.race([call(this.#manager(0).api), this.#death]);
  }

  second<T>(call: (api: VolplaneApi) => Promise<T>): Promise<T> {
    return call(this.#manager(1).api);
  }

  /** The door of the agent of node n2. */
  agent<T>(call: (api: VolplaneApi) => Promise<T>): Promise<T> {
    const node = this.#nodes[1];
    assert(node !== undefined, 'the world has two nodes');
    return call(node.agent.api);
  }

  context(timeoutMs = 20_000): CallContext {
    const controller = new AbortController();
    this.clock.after(timeoutMs, () => {
      controller.abort(new AppError('DEADLINE_EXCEEDED', 'the caller waits no longer'));
    });
    return { signal: controller.signal, timeoutMs };
  }

  /** The outcome of `work`, with time passing while it is awaited. */
  async settle<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = (): void => {
      done = true;
    };
    work.then(finished, finished);
    await this.until(() => done, 'the work has settled');
    return await work;
  }

  /** Lets time pass until the state is there. @throws Error after {@link PATIENCE_MS} */
  async until(condition: () => boolean, what: string): Promise<void> {
    const endMs = this.clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      // One step after the other: the condition is looked at between two.
      await this.clock.advance(0);
      if (condition()) return;
      if (this.clock.monotonicMs() >= endMs) throw new Error(`waited in vain until ${what}`);
      await this.clock.advance(STEP_MS);
    }
  }

  get documents(): readonly VolumeDocument[] {
    return this.kv.entries('/volplane/volumes/').map((entry) => parseVolumeDocument(entry.key, entry.value));
  }

  /** Everything that is not as documents, storage, kernels and agents' books must be when nothing is under way. */
  leftovers(): readonly string[] {
    const documents = this.documents;
    return [
      ...documents
        .filter(({ phase, operation }) => phase !== 'ready' || operation !== undefined)
        .map(({ name, phase }) => `${name} is ${phase}`),
      ...differences(
        'folder',
        this.storage.volumes.map(({ name, uid }) => `${name} ${uid}`),
        documents.map(({ name, uid }) => `${name} ${uid}`),
      ),
      ...this.#nodes.flatMap(({ agent, kernel }) => {
        const node = kernel.node;
        const attached = documents.flatMap(({ uid, attachments }) => {
          const attachment = Object.entries(attachments).find(([name]) => name === node)?.[1];
          return attachment === undefined ? [] : [`${uid} at seq ${String(attachment.seq)}`];
        });
        const held = agent.book.mounts().map(({ state, granted, seq }) => `${granted?.uid ?? state} at seq ${String(seq)}`);
        return [
          ...differences(`attachment of ${node}`, attached, held),
          ...differences(
            `mount on ${node}`,
            kernel.mounts.map(({ uid }) => uid),
            agent.book.mounts().map(({ granted }) => granted?.uid ?? ''),
          ),
          ...agent.book
            .mounts()
            .flatMap(({ name, state, mountIds }) => (state === 'held' && mountIds.length > 0 ? [] : [`${name} is ${state}`])),
          ...agent.book.releases().map(({ name }) => `a release of ${name} is owed by ${node}`),
        ];
      }),
      ...this.kv.entries('').flatMap(({ key }) => (KEYS.test(key) ? [] : [`stray key ${key}`])),
    ];
  }

  #manager(index: number): Manager {
    const manager = this.#managers[index];
    assert(manager !== undefined, 'the world has two managers');
    return manager;
  }

  #startManager(id: string, kv: ReturnType<typeof mortalKv>, bus: Bus): void {
    const { clock } = this;
    this.#managers.push(
      Manager.start({ id, address: `${id}:1`, kv, bus, clock, random: this.#random, log: silentLogger, sessionTtlMs: SESSION_TTL_MS }),
    );
  }

  #startAgent(name: string): void {
    const { clock, storage } = this;
    const kernel = new FakeKernel(name);
    const agent = Agent.start({
      node: parseNodeName(name),
      labels: {},
      version: 'test',
      journal: new MemoryDisk().open(),
      bus: this.network.open(name),
      drivers: [new FakeDriver({ storage, kernel, clock })],
      clock,
      random: this.#random,
      log: silentLogger,
    });
    this.#nodes.push({ agent, kernel });
  }
}

function differences(what: string, present: readonly string[], expected: readonly string[]): readonly string[] {
  return [
    ...present.filter((item) => !expected.includes(item)).map((item) => `${what} ${item} is one too many`),
    ...expected.filter((item) => !present.includes(item)).map((item) => `${what} ${item} is missing`),
  ];
}

const FIRST = 'm1';
const SECOND = 'm2';
const KEYS = /^\/volplane\/(volumes|nodes|sessions|managers|inventory)\/[^/]+$/;
const SESSION_TTL_MS = 10_000;
/** Of virtual time: longer than any deadline, lease and backoff in here together. */
const PATIENCE_MS = 180_000;
const STEP_MS = 250;
