import { AppError, assert, seededRandom, silentLogger, type Failure } from '@volplane/base';
import {
  heldDigest,
  parseDriverName,
  parseNodeName,
  parseVolumeName,
  type DriverCapabilities,
  type DriverInfo,
  type Incarnation,
  type MountId,
  type NodeName,
  type NodeUid,
  type SessionId,
  type StringMap,
  type VolumeDocument,
  type VolumeUid,
} from '@volplane/domain';
import { KV_LIMITS } from '@volplane/ports';
import { ManualClock, MemoryBusNetwork, MemoryKv, type MemoryBus, type MemoryKvCall } from '@volplane/testkit';
import {
  acknowledged,
  agentMessage,
  answerFailure,
  answerOk,
  grantAnswer,
  heartbeatAnswer,
  heldListAnswer,
  MANAGERS_SUBJECT,
  nodeSubject,
  openAnswer,
  parseMessage,
  parseNodeDocument,
  parseVolumeDocument,
  registered,
  type AgentMessage,
  type GrantAnswer,
  type HeldListAnswer,
  type ManagerMessage,
} from '@volplane/wire';
import type { CallContext } from '../src/api.js';
import { Manager, type ManagerOptions } from '../src/manager/manager.js';

/** A session lives this long without a heartbeat. */
export const TTL_MS = 10_000;

/**
 * Managers on a store and a bus in memory, with fake agents, in one process. Time stands still unless the world lets it pass:
 * {@link World.settle} and {@link World.until} do, in small steps, as far as it takes.
 */
export class World {
  readonly clock = new ManualClock();
  readonly kv = new MemoryKv({ clock: this.clock });
  readonly random = seededRandom(7);
  readonly network = new MemoryBusNetwork({ clock: this.clock, random: this.random });
  readonly #managers: { readonly manager: Manager; readonly life: { isCrashed: boolean } }[] = [];
  readonly #agents: FakeAgent[] = [];

  /** A manager that answers. Its way to the store can be disturbed by `hooks`. */
  async manager(
    id: string,
    options: Partial<ManagerOptions> & { readonly hooks?: Parameters<MemoryKv['connect']>[0] } = {},
  ): Promise<TestManager> {
    const { hooks = {}, ...others } = options;
    const life = { isCrashed: false };
    const guarded = async (hook: ((call: MemoryKvCall) => Promise<void> | void) | undefined, call: MemoryKvCall): Promise<void> => {
      if (life.isCrashed) await NEVER;
      await hook?.(call);
      if (life.isCrashed) await NEVER;
    };
    const kv = this.kv.connect({
      ...hooks,
      beforeApply: (call) => guarded(hooks.beforeApply, call),
      afterApply: (call) => guarded(hooks.afterApply, call),
    });
    const manager = Manager.start({
      id,
      address: `${id}:1`,
      kv,
      bus: this.network.open(id),
      clock: this.clock,
      random: this.random,
      log: silentLogger,
      sessionTtlMs: TTL_MS,
      ...others,
    });
    this.#managers.push({ manager, life });
    await this.settle(manager.ready);
    return {
      api: manager.api,
      cache: manager.cache,
      kv,
      crash: () => {
        life.isCrashed = true;
        this.network.crash(id);
      },
      stop: () => this.settle(manager.stop()),
    };
  }

  /** A registered agent that heartbeats and does what it is told. */
  async agent(name: string, options: AgentOptions = {}): Promise<FakeAgent> {
    const agent = new FakeAgent(this, name, options);
    this.#agents.push(agent);
    await agent.register();
    return agent;
  }

  /** The outcome of `work`, with time passing while it is awaited. */
  async settle<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = (): void => {
      done = true;
    };
    work.then(finished, finished);
    await this.until(() => done, 'the work has settled', 1);
    return await work;
  }

  /** Lets time pass until the state is there. @throws Error after {@link STEPS_MAX} steps */
  async until(condition: () => boolean, what: string, stepMs = 20): Promise<void> {
    for (let step = 0; step < STEPS_MAX; step += 1) {
      // One step after the other: the condition is looked at between two.
      await this.clock.advance(0);
      if (condition()) return;
      await this.clock.advance(stepMs);
    }
    throw new Error(`waited in vain until ${what}`);
  }

  /** The stored document of a volume. */
  volume(name: string): VolumeDocument | undefined {
    const entry = this.kv.entries(`/volplane/volumes/${name}`).find(({ key }) => key === `/volplane/volumes/${name}`);
    return entry === undefined ? undefined : parseVolumeDocument(entry.key, entry.value);
  }

  node(name: string): ReturnType<typeof parseNodeDocument> | undefined {
    const entry = this.kv.entries(`/volplane/nodes/${name}`).find(({ key }) => key === `/volplane/nodes/${name}`);
    return entry === undefined ? undefined : parseNodeDocument(entry.key, entry.value);
  }

  hasSession(name: string): boolean {
    return this.kv.entries(`/volplane/sessions/${name}`).some(({ key }) => key === `/volplane/sessions/${name}`);
  }

  /** Writes documents as they are, behind everybody's back. */
  async store(...documents: readonly VolumeDocument[]): Promise<void> {
    for (let first = 0; first < documents.length; first += KV_LIMITS.transactionsPerBatch) {
      // Batch after batch: the store bounds them.
      await this.kv.transact(
        documents.slice(first, first + KV_LIMITS.transactionsPerBatch).map((document) => ({
          compares: [],
          writes: [{ type: 'put', key: `/volplane/volumes/${document.name}`, value: JSON.stringify(document) }],
        })),
      );
    }
  }

  async end(): Promise<void> {
    for (const agent of this.#agents) agent.kill();
    const living = this.#managers.filter(({ life }) => !life.isCrashed);
    await this.settle(Promise.all(living.map(({ manager }) => manager.stop())));
  }
}

export interface TestManager {
  readonly api: Manager['api'];
  readonly cache: Manager['cache'];
  readonly kv: MemoryKv;
  /** Dies at once: nothing that it does from now on has an effect. */
  readonly crash: () => void;
  readonly stop: () => Promise<void>;
}

export interface AgentOptions {
  /** Another machine under the same name has another one. */
  readonly uid?: string;
  readonly drivers?: readonly DriverInfo[];
  readonly labels?: StringMap;
}

type Command = Extract<AgentMessage, { readonly type: 'command' }>;

/** What an agent is to a manager: it registers, heartbeats, and answers; what it does is noted, nothing is mounted. */
export class FakeAgent {
  readonly node: NodeName;
  readonly uid: NodeUid;
  /** Commands in the order in which they arrived. */
  readonly commands: Command[] = [];
  readonly fences: Extract<AgentMessage, { readonly type: 'fence' }>[] = [];
  /** What its driver says instead of a receipt. */
  fenceFault: AppError | undefined;
  readonly forced: Extract<AgentMessage, { readonly type: 'force-release' }>[] = [];
  /** Uids of volumes whose data is there. */
  readonly data = new Set<VolumeUid>();
  /** Answers a command in place of the agent: a failure to tell, or undefined for the ordinary way. */
  onCommand: (command: Command) => Promise<Failure | undefined> | Failure | undefined = () => undefined;
  /** Answers a passed-on call of the API. */
  onCall: (method: string, request: Readonly<Record<string, unknown>>) => unknown = (method) => {
    throw new AppError('NOT_IMPLEMENTED', `the fake agent does not know ${method}`);
  };
  users: Record<string, MountId[]> = {};
  session = '' as SessionId;
  incarnation: Incarnation;
  startNumber = 0;
  beat = 0;
  seq = 0;
  readonly #world: World;
  readonly #options: AgentOptions;
  #bus: MemoryBus | undefined;
  #isBeating = false;

  constructor(world: World, name: string, options: AgentOptions) {
    this.#world = world;
    this.#options = options;
    this.node = parseNodeName(name);
    this.uid = hex(options.uid ?? name, 32) as NodeUid; // 32 hexadecimal characters
    this.incarnation = hex('', 16) as Incarnation; // until it registers
  }

  get bus(): MemoryBus {
    assert(this.#bus !== undefined, 'the agent runs');
    return this.#bus;
  }

  /** Starts the process, or starts it again as a new incarnation, and begins or goes on with the session. */
  async register(): Promise<void> {
    if (this.#bus !== undefined) this.#world.network.crash(this.#bus.name);
    this.startNumber += 1;
    this.incarnation = hex(`${this.node}${String(this.startNumber)}`, 16) as Incarnation; // 16 hexadecimal characters
    const bus = this.#world.network.open(`agent ${this.uid} ${String(this.startNumber)}`);
    this.#bus = bus;
    bus.serve(nodeSubject(this.node), undefined, (payload) => this.#answer(parseMessage(agentMessage, payload, 'message')));
    const answer = await this.ask(this.registration());
    this.session = openAnswer(answer, registered).session;
    this.#isBeating = true;
    this.#beatLater();
  }

  registration(changes: Partial<Extract<ManagerMessage, { readonly type: 'register' }>> = {}): ManagerMessage {
    return {
      type: 'register',
      node: this.node,
      nodeUid: this.uid,
      incarnation: this.incarnation,
      startNumber: this.startNumber,
      drivers: (this.#options.drivers ?? [driver()]) as Extract<ManagerMessage, { readonly type: 'register' }>['drivers'],
      labels: { ...this.#options.labels },
      version: '0.1.0',
      ...changes,
    };
  }

  speaker(): { node: NodeName; nodeUid: NodeUid; session: SessionId; incarnation: Incarnation } {
    return { node: this.node, nodeUid: this.uid, session: this.session, incarnation: this.incarnation };
  }

  /** Sends a message to the managers. */
  ask(message: ManagerMessage): Promise<unknown> {
    return this.#world.settle(this.bus.request(MANAGERS_SUBJECT, message, { timeoutMs: 30_000 }));
  }

  async heartbeat(digest = heldDigest([])): Promise<ReturnType<typeof heartbeatAnswer.parse>> {
    this.beat += 1;
    return openAnswer(await this.ask({ type: 'heartbeat', ...this.speaker(), beat: this.beat, digest }), heartbeatAnswer);
  }

  /** Claims a volume as an agent does, with a new seq. */
  async claim(name: string, changes: Partial<Extract<ManagerMessage, { readonly type: 'claim' }>> = {}): Promise<GrantAnswer> {
    this.seq += 1;
    const message: ManagerMessage = {
      type: 'claim',
      ...this.speaker(),
      name: parseVolumeName(name),
      seq: this.seq,
      mode: 'rw',
      mountId: `c-${this.node}` as MountId, // printable
      ...changes,
    };
    return openAnswer(await this.ask(message), grantAnswer);
  }

  async release(name: string, uid: VolumeUid, seq = this.seq): Promise<void> {
    openAnswer(
      await this.ask({ type: 'release', ...this.speaker(), name: parseVolumeName(name), uid, seq, detail: 'unmounted' }),
      acknowledged,
    );
  }

  async heldList(
    entries: readonly { name: string; uid?: VolumeUid; seq: number; state: 'held' | 'claiming' }[],
    changes: { readonly seq?: number; readonly from?: string; readonly to?: string } = {},
  ): Promise<HeldListAnswer> {
    const named = entries.map((entry) => ({ ...entry, name: parseVolumeName(entry.name) }));
    const message: ManagerMessage = { type: 'held-list', ...this.speaker(), seq: this.seq, from: '', entries: named, ...changes };
    return openAnswer(await this.ask(message), heldListAnswer);
  }

  /** The process and its node are gone without a word: the session lasts until its lease expires. */
  kill(): void {
    this.#isBeating = false;
    if (this.#bus !== undefined) this.#world.network.crash(this.#bus.name);
    this.#bus = undefined;
  }

  /** Gone, and the managers know. */
  async die(): Promise<void> {
    this.kill();
    await this.#world.until(() => !this.#world.hasSession(this.node), `the session of ${this.node} has ended`, 250);
  }

  #beatLater(): void {
    const bus = this.#bus;
    this.#world.clock.after(TTL_MS / 4, () => {
      if (!this.#isBeating || bus === undefined || bus !== this.#bus) return;
      this.beat += 1;
      const message: ManagerMessage = { type: 'heartbeat', ...this.speaker(), beat: this.beat, digest: heldDigest([]) };
      bus.request(MANAGERS_SUBJECT, message, { timeoutMs: TTL_MS / 4 }).catch(() => undefined);
      this.#beatLater();
    });
  }

  async #answer(message: AgentMessage): Promise<unknown> {
    try {
      return answerOk(await this.#handle(message));
    } catch (error) {
      return answerFailure(error);
    }
  }

  async #handle(message: AgentMessage): Promise<unknown> {
    switch (message.type) {
      case 'command': {
        this.commands.push(message);
        if (message.session !== this.session || message.incarnation !== this.incarnation)
          throw new AppError('SESSION_LOST', 'meant for another life');
        const failure = await this.onCommand(message);
        if (failure !== undefined) return { type: 'failed', failure };
        if (message.kind === 'create') this.data.add(message.uid);
        if (message.kind === 'remove') this.data.delete(message.uid);
        return { type: 'done', facts: { ...(message.kind === 'expand' ? { sizeBytes: message.parameters['sizeBytes'] ?? '0' } : {}) } };
      }
      case 'fence':
        this.fences.push(message);
        if (this.fenceFault !== undefined) throw this.fenceFault;
        return { receipt: `storage refuses below ${String(message.epoch)}` };
      case 'users':
        return {
          beat: this.beat,
          users: Object.fromEntries(Object.entries(this.users).filter(([uid]) => message.uids.includes(uid as VolumeUid))),
        };
      case 'force-release':
        this.forced.push(message);
        return {};
      case 'mount':
        return { path: `/mnt/${message.name}`, node: this.node, mode: message.mode ?? 'rw', epoch: 1, seq: 1 };
      case 'call':
        return this.onCall(message.method, message.request);
    }
  }
}

const CAPABLE: DriverCapabilities = {
  scope: 'global',
  accessModes: [
    'single-node-writer',
    'single-node-reader-only',
    'multi-node-reader-only',
    'multi-node-single-writer',
    'multi-node-multi-writer',
  ],
  takeover: ['manual', 'lease', 'storage'],
  abort: true,
  fence: true,
  size: true,
  expand: true,
  snapshot: true,
  clone: true,
  block: false,
};

export function driver(name = 'shared', capabilities: Partial<DriverCapabilities> = {}): DriverInfo {
  return { name: parseDriverName(name), capabilities: { ...CAPABLE, ...capabilities }, options: {} };
}

/** A call that nobody cancels. */
export function context(timeoutMs = 30_000): CallContext {
  return { signal: new AbortController().signal, timeoutMs };
}

function hex(text: string, length: number): string {
  return Buffer.from(text).toString('hex').padEnd(length, '0').slice(0, length);
}

/** What a dead process waits for. */
const NEVER: Promise<never> = new Promise(() => undefined);

/** Reaching it means a bug, so it is large. */
const STEPS_MAX = 20_000;
