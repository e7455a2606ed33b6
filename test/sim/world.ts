import { AppError, seededRandom, silentLogger, type LogFields, type Logger } from '@volplane/base';
import type { NodeName, VolumeUid } from '@volplane/domain';
import { Agent, Manager, type CallContext, type VolplaneApi } from '@volplane/engine';
import { MemoryBusNetwork, MemoryDisk, MemoryKv, type BusMessage, type FakeFault, type MemoryJournal } from '@volplane/testkit';
import { Checks } from './checks.js';
import type { Mix } from './mix.js';
import { ProcessClock, settled, SimTime, trueClock } from './sim-clock.js';
import { SimDriver, SimKernel, SimStorage } from './sim-storage.js';
import { SimGuardian, SimGuardianLink, type GuardianFile } from './sim-guardian.js';
import { Violation } from './violation.js';

/** What becomes of a message: the delays of its copies; undefined = the next rule decides. */
export type MessageRule = (message: BusMessage) => readonly number[] | undefined;

export interface WorldOptions {
  readonly seed: number;
  readonly mix: Mix;
  readonly sessionTtlMs: number;
  readonly trace?: (line: string) => void;
}

/** How the ways between processes behave at the moment. */
export interface Weather {
  lossRate: number;
  doubleRate: number;
  delayMsMax: number;
  kvDelayMsMax: number;
  kvFailRate: number;
  kvLostAnswerRate: number;
  watchDelayMsMax: number;
  driverFaultRate: number;
  createDelayMsMax: number;
  /** Of mounts and unmounts. */
  mountDelayMsMax: number;
  diskDelayMsMax: number;
}

export const CALM: Weather = {
  lossRate: 0,
  doubleRate: 0,
  delayMsMax: 2,
  kvDelayMsMax: 3,
  kvFailRate: 0,
  kvLostAnswerRate: 0,
  watchDelayMsMax: 3,
  driverFaultRate: 0,
  createDelayMsMax: 0,
  mountDelayMsMax: 0,
  diskDelayMsMax: 1,
};

interface LiveManager {
  readonly id: string;
  readonly manager: Manager;
  readonly clock: ProcessClock;
  /** Cut off from etcd. */
  kvCut: boolean;
  /** Its watch hears nothing, though its calls get through. */
  watchStuck: boolean;
}

interface LiveAgent {
  readonly agent: Agent;
  readonly clock: ProcessClock;
  readonly driver: SimDriver;
  readonly journal: MemoryJournal;
  readonly guardianLink: SimGuardianLink;
}

/** One machine: its kernel, disk and clock rate outlive its agent; the kernel's mounts and the guardian's file end with its power. */
export interface SimNode {
  readonly name: NodeName;
  readonly kernel: SimKernel;
  readonly disk: MemoryDisk;
  readonly rate: number;
  guardianFile: GuardianFile;
  guardian: SimGuardian | undefined;
  agent: LiveAgent | undefined;
  /** Of the helpers that drivers start; ends with the power. */
  machine: ProcessClock;
  /** When the last of them ends. */
  helpersUntilMs: number;
  /** Starts of the machine. */
  boots: number;
  powered: boolean;
}

/** Managers, agents, etcd, bus and storage in one process, driven by one seed. */
export class World {
  readonly time = new SimTime();
  readonly random: ReturnType<typeof seededRandom>;
  readonly checks: Checks;
  readonly storage: SimStorage;
  readonly kv: MemoryKv;
  readonly network: MemoryBusNetwork;
  readonly nodes: SimNode[] = [];
  readonly managers: LiveManager[] = [];
  readonly options: WorldOptions;
  weather: Weather = { ...CALM };
  /** For scripted lives: what goes wrong with a driver's call, undefined = what the weather says. */
  driverScript: ((method: string) => FakeFault | undefined) | undefined;
  /** Endpoints whose messages, to and from, come seconds late and out of order. */
  readonly congested = new Set<string>();
  /** For scripted lives, and faults that aim: the fate of a message, undefined = that of the weather. */
  script: MessageRule | undefined;
  events = 0;
  #managersStarted = 0;
  readonly #powerRandom: ReturnType<typeof seededRandom>;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    this.#powerRandom = seededRandom(options.seed + 1_000_000_007);
    this.checks = new Checks(options.mix.brake, {
      leaseLeftMs: (node, uid) => this.#leaseLeftMs(node, uid),
      isMounted: (name, uid) => this.nodes.find((node) => node.name === name)?.kernel.findMount(uid)?.usable === true,
    });
    const clock = trueClock(this.time);
    this.storage = new SimStorage(clock, this.checks);
    this.kv = new MemoryKv({ clock });
    this.network = new MemoryBusNetwork({ clock, random: this.random });
    this.network.setFate((message) => this.script?.(message) ?? this.#fate(message));
    this.kv.watch(
      { prefix: '/volplane/', fromRevision: 1 },
      {
        onEvents: (events) => {
          this.checks.onKvEvents(events, this.time.nowMs);
        },
        onProgress: () => undefined,
        onEnd: (error) => {
          throw error;
        },
      },
    );
    for (let index = 0; index < options.mix.nodes; index += 1) this.nodes.push(this.#makeNode(`n${String(index + 1)}` as NodeName));
    for (let index = 0; index < options.mix.managers; index += 1) this.startManager();
    for (const node of this.nodes) this.powerOn(node);
  }

  trace(line: string): void {
    this.options.trace?.(`${(this.time.nowMs / 1000).toFixed(3).padStart(8)} ${line}`);
  }

  /** Runs until `untilMs` of true time, checking after every event. @throws Violation */
  async run(untilMs: number): Promise<void> {
    // What was started outside of a timer sets its own first.
    await settled();
    while (await this.time.step(untilMs)) {
      this.events += 1;
      if (this.events > EVENTS_MAX)
        throw new Violation('nothing is lost', `more than ${String(EVENTS_MAX)} events: something turns in a circle`);
      this.checks.afterEvent(
        this.nodes.map((node) => node.kernel),
        this.storage,
        this.time.nowMs,
      );
    }
    await settled();
  }

  /** Every `everyMs` on average, until `untilMs`. */
  often(everyMs: number, untilMs: number, act: () => void): void {
    const plan = (): void => {
      const delayMs = -Math.log(1 - this.random.float()) * everyMs;
      if (this.time.nowMs + delayMs < untilMs)
        this.time.after(delayMs, () => {
          act();
          plan();
        });
    };
    plan();
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.random.int(items.length)];
  }

  // Processes

  startManager(): void {
    this.#managersStarted += 1;
    const id = `m${String(this.#managersStarted)}`;
    const clock = new ProcessClock(this.time, this.#drift());
    const live = { kvCut: false, watchStuck: false };
    const kv = this.kv.connect({
      beforeApply: () => this.#beforeKv(live),
      afterApply: () => this.#afterKv(live),
      scheduleDelivery: (_, deliver) => {
        const attempt = (): void => {
          // A watch that is cut off hears nothing until the way is free again.
          if (live.kvCut || live.watchStuck) this.time.after(200, attempt);
          else clock.deliver(deliver);
        };
        this.time.after(this.random.float() * this.weather.watchDelayMsMax, attempt);
      },
    });
    const manager = Manager.start({
      id,
      address: id,
      kv,
      bus: this.network.open(id),
      clock,
      random: this.random,
      log: this.#logger(id),
      sessionTtlMs: this.options.sessionTtlMs,
      brake: this.options.mix.brake,
    });
    this.managers.push(Object.assign(live, { id, manager, clock }));
    this.trace(`manager ${id} starts`);
  }

  killManager(live: LiveManager): void {
    this.trace(`manager ${live.id} is killed`);
    live.clock.kill();
    this.network.crash(live.id);
    this.managers.splice(this.managers.indexOf(live), 1);
  }

  powerOn(node: SimNode): void {
    node.powered = true;
    node.boots += 1;
    node.machine = new ProcessClock(this.time, node.rate);
    this.startGuardian(node);
    this.startAgent(node);
  }

  /** The machine loses its power: agent, guardian and every mount are gone, and of the writes since the last sync all but a few. */
  powerOff(node: SimNode): void {
    this.killAgent(node);
    const survivors = this.#powerRandom.int(node.disk.cached + 1);
    this.trace(`node ${node.name} loses its power, and its disk the last ${String(node.disk.cached - survivors)} writes`);
    node.disk.losePower(survivors);
    node.machine.kill();
    node.helpersUntilMs = 0;
    node.guardian?.clock.kill();
    node.guardian = undefined;
    node.guardianFile = { mounts: [] };
    node.kernel.reboot();
    node.powered = false;
  }

  /** As soon as the helpers have ended that the agent before it has left running (rule 18). */
  startAgent(node: SimNode): void {
    if (!node.powered || node.agent !== undefined) return;
    const waitMs = node.helpersUntilMs - this.time.nowMs;
    if (waitMs > 0) {
      this.time.after(waitMs, () => {
        this.startAgent(node);
      });
      return;
    }
    const clock = new ProcessClock(this.time, node.rate);
    const driver = new SimDriver(this.checks, {
      storage: this.storage,
      kernel: node.kernel,
      // Mount helpers are processes of their own: they run on while the agent is stopped or dead, but not without power.
      clock: node.machine,
      name: 'fake',
      fault: ({ method }) => {
        const fault = this.driverScript?.(method) ?? this.#driverFault(method);
        if (fault?.kind === 'slow') node.helpersUntilMs = Math.max(node.helpersUntilMs, this.time.nowMs + fault.delayMs / node.rate + 1);
        return fault;
      },
    });
    const journal = node.disk.open({
      beforeAppend: () => this.#delay(clock, this.weather.diskDelayMsMax / 2),
      beforeSync: () => this.#delay(clock, this.weather.diskDelayMsMax),
    });
    const guardianLink = new SimGuardianLink(
      () => node.guardian,
      clock,
      () => this.random.float() * this.weather.diskDelayMsMax,
    );
    const agent = Agent.start({
      node: node.name,
      labels: {},
      version: 'sim',
      boot: String(node.boots),
      journal,
      bus: this.network.open(node.name),
      drivers: [driver],
      guardian: guardianLink,
      clock,
      random: this.random,
      log: this.#logger(node.name),
    });
    node.agent = { agent, clock, driver, journal, guardianLink };
    this.trace(`agent ${node.name} starts`);
  }

  killAgent(node: SimNode): void {
    const live = node.agent;
    if (live === undefined) return;
    this.trace(`agent ${node.name} is killed`);
    live.clock.kill();
    live.journal.crash();
    live.driver.end();
    this.network.crash(node.name);
    node.agent = undefined;
  }

  startGuardian(node: SimNode): void {
    if (!node.powered || node.guardian !== undefined) return;
    node.guardian = new SimGuardian(this.time, node.rate, node.kernel, node.guardianFile);
    node.agent?.guardianLink.changed();
  }

  killGuardian(node: SimNode): void {
    if (node.guardian === undefined) return;
    this.trace(`guardian of ${node.name} is killed`);
    node.guardian.clock.kill();
    node.guardian = undefined;
    node.agent?.guardianLink.changed();
  }

  /** The API of some live process: mostly a manager. */
  someApi(): VolplaneApi | undefined {
    return this.pick(this.managers)?.manager.api;
  }

  context(timeoutMs: number): CallContext {
    const controller = new AbortController();
    this.time.after(timeoutMs, () => {
      controller.abort(new AppError('DEADLINE_EXCEEDED', 'the caller waits no longer'));
    });
    return { signal: controller.signal, timeoutMs };
  }

  /** How long the guardian of a node leaves a mount alone; undefined = it does not know it. */
  #leaseLeftMs(name: string, uid: VolumeUid): number | undefined {
    const node = this.nodes.find((each) => each.name === name);
    const armed = node?.guardianFile.mounts.find((mount) => mount.uid === uid);
    return node === undefined || armed === undefined ? undefined : armed.deadlineMs - this.time.nowMs * node.rate;
  }

  #makeNode(name: NodeName): SimNode {
    return {
      name,
      kernel: new SimKernel(name, this.checks),
      disk: new MemoryDisk(),
      rate: this.#drift(),
      guardianFile: { mounts: [] },
      guardian: undefined,
      agent: undefined,
      machine: new ProcessClock(this.time, 1),
      helpersUntilMs: 0,
      boots: 0,
      powered: false,
    };
  }

  /** Within half the bound that sessions allow between two clocks. */
  #drift(): number {
    return 1 + (this.random.float() - 0.5) * 0.004;
  }

  #fate({ from, to }: BusMessage): readonly number[] {
    const { lossRate, doubleRate, delayMsMax } = this.weather;
    if (this.congested.has(from) || this.congested.has(to)) return [CONGESTED_MS * (1 + this.random.float())];
    if (this.random.float() < lossRate) return [];
    const delay = (): number => this.random.float() * delayMsMax;
    return this.random.float() < doubleRate ? [delay(), delay() * 10] : [delay()];
  }

  async #beforeKv(live: { readonly kvCut: boolean }): Promise<void> {
    await this.#trueDelay(this.weather.kvDelayMsMax);
    if (live.kvCut || this.random.float() < this.weather.kvFailRate) {
      await this.#trueDelay(500);
      throw new AppError('STORE_UNAVAILABLE', 'the simulated store is not reached');
    }
  }

  async #afterKv(live: { readonly kvCut: boolean }): Promise<void> {
    await this.#trueDelay(this.weather.kvDelayMsMax);
    if (live.kvCut || this.random.float() < this.weather.kvLostAnswerRate) {
      await this.#trueDelay(500);
      throw new AppError('UNKNOWN_OUTCOME', 'the answer of the simulated store was lost');
    }
  }

  #driverFault(method: string): FakeFault | undefined {
    if (method === 'create' && this.weather.createDelayMsMax > 0)
      return { kind: 'slow', delayMs: this.random.float() * this.weather.createDelayMsMax, survivesEnd: true };
    if ((method === 'mount' || method === 'unmount') && this.weather.mountDelayMsMax > 0)
      return { kind: 'slow', delayMs: this.random.float() * this.weather.mountDelayMsMax, survivesEnd: true };
    const roll = this.random.float();
    // One call into the kernel, as quick as the guardian's: evidence C counts on that.
    if (method === 'abort') return undefined;
    if (roll >= this.weather.driverFaultRate)
      return roll < 0.3 ? { kind: 'slow', delayMs: this.random.float() * 20, survivesEnd: true } : undefined;
    // A mount that takes longer than its bound is outside what evidence C promises.
    if (roll < this.weather.driverFaultRate / 2) return { kind: 'slow', delayMs: this.random.float() * 800, survivesEnd: true };
    if (method === 'inspect') return undefined;
    if (method === 'create' || method === 'mount')
      return {
        kind: 'fail',
        error: new AppError(method === 'mount' ? 'MOUNT_FAILED' : 'DRIVER_FAILED', 'the simulated driver failed'),
        effect: 'none',
      };
    return {
      kind: 'fail',
      error: new AppError('DRIVER_UNAVAILABLE', 'the simulated driver did not answer'),
      effect: this.random.float() < 0.5 ? 'done' : 'none',
    };
  }

  #trueDelay(msMax: number): Promise<void> {
    return new Promise((resolve) => {
      this.time.after(this.random.float() * msMax, resolve);
    });
  }

  #delay(clock: ProcessClock, msMax: number): Promise<void> {
    return new Promise((resolve) => {
      clock.exactlyAfter(this.random.float() * msMax, resolve);
    });
  }

  #logger(name: string): Logger {
    if (this.options.trace === undefined) return silentLogger;
    const write = (level: string) => (message: string, fields?: LogFields) => {
      this.trace(`${name} ${level} ${message} ${shown(fields)}`);
    };
    const logger: Logger = { error: write('E'), warn: write('W'), info: write('I'), debug: write('D'), child: () => logger };
    return logger;
  }
}

function shown(fields: LogFields | undefined): string {
  return JSON.stringify(fields ?? {}, (_, value: unknown) =>
    value instanceof AppError ? `${value.reason} ${value.message}` : value instanceof Error ? value.stack : value,
  );
}

/** Longer than a session lives, so that what was sent in one arrives in the next. */
const CONGESTED_MS = 2_500;
/** Ten times what any life has. */
const EVENTS_MAX = 200_000;
