import { AimedFaults, type AimedFaultName } from './aimed-faults.js';
import { CALM, type SimNode, type World } from './world.js';
import type { Workload } from './workload.js';

export type FaultName =
  | 'kill-manager'
  | 'stop-manager'
  | 'cut-manager'
  | 'late-watch'
  | 'kill-agent'
  | 'stop-agent'
  | 'power-off'
  | 'power-cycle'
  | 'disaster'
  | 'kill-guardian'
  | 'isolate'
  | 'congest'
  | 'storm'
  | 'slow-creates'
  | 'slow-mounts'
  | 'stretch-leases'
  | 'break-mount'
  | 'operator'
  | 'force-release'
  | AimedFaultName;

/** Draws faults until `untilMs`, each with its own end; counts them. */
export class Faults {
  readonly #world: World;
  readonly #workload: Workload;
  count = 0;
  /** Nodes whose guardian is dead for a moment: their agents are left alone. */
  readonly #alone = new Set<SimNode>();
  readonly #aimed: AimedFaults;
  readonly #acts: Readonly<Record<Exclude<FaultName, AimedFaultName>, () => void>> = {
    'kill-manager': this.#killManager,
    'stop-manager': this.#stopManager,
    'cut-manager': this.#cutManager,
    'late-watch': this.#lateWatch,
    'kill-agent': this.#killAgent,
    'stop-agent': this.#stopAgent,
    'power-off': this.#powerOff,
    'power-cycle': this.#powerCycle,
    disaster: this.#disaster,
    'kill-guardian': this.#killGuardian,
    isolate: this.#isolate,
    congest: this.#congest,
    storm: this.#storm,
    'slow-creates': this.#slowCreates,
    'slow-mounts': this.#slowMounts,
    'stretch-leases': this.#stretchLeases,
    'break-mount': this.#breakMount,
    operator: this.#operator,
    'force-release': this.#forceRelease,
  };

  constructor(world: World, workload: Workload) {
    this.#world = world;
    this.#workload = workload;
    this.#aimed = new AimedFaults(world, workload, this.#alone);
  }

  run(untilMs: number): void {
    const { mix } = this.#world.options;
    const drawn = Object.entries(mix.faults).flatMap(([name, weight]) => Array.from({ length: weight }, () => name as FaultName)); // keys of the mix
    this.#world.often(mix.faultEveryMs, untilMs, () => {
      const name = this.#world.pick(drawn);
      if (name === undefined) return;
      this.count += 1;
      ({ ...this.#acts, ...this.#aimed.acts })[name].call(this);
    });
  }

  /** Ends every fault: all machines on, all processes running, all ways free. */
  heal(): void {
    const world = this.#world;
    world.weather = { ...CALM };
    world.network.heal();
    world.congested.clear();
    this.#aimed.heal();
    for (const manager of world.managers) {
      manager.kvCut = false;
      manager.watchStuck = false;
      manager.clock.go();
    }
    while (world.managers.length < world.options.mix.managers) world.startManager();
    for (const node of world.nodes) {
      node.agent?.clock.go();
      if (node.powered) {
        world.startGuardian(node);
        world.startAgent(node);
      } else world.powerOn(node);
    }
  }

  #later(msMax: number, act: () => void): void {
    this.#world.time.after(this.#world.random.float() * msMax, act);
  }

  #killManager(): void {
    const world = this.#world;
    const live = world.pick(world.managers);
    if (live === undefined) return;
    world.killManager(live);
    this.#later(4_000, () => {
      if (world.managers.length < world.options.mix.managers) world.startManager();
    });
  }

  #stopManager(): void {
    const live = this.#world.pick(this.#world.managers);
    if (live === undefined) return;
    this.#world.trace(`manager ${live.id} is stopped`);
    live.clock.stop();
    this.#later(12_000, () => {
      live.clock.go();
    });
  }

  #cutManager(): void {
    const live = this.#world.pick(this.#world.managers);
    if (live === undefined) return;
    this.#world.trace(`manager ${live.id} is cut off from etcd`);
    live.kvCut = true;
    this.#later(5_000, () => {
      live.kvCut = false;
    });
  }

  #lateWatch(): void {
    const live = this.#world.pick(this.#world.managers);
    if (live === undefined) return;
    this.#world.trace(`the watch of manager ${live.id} is stuck`);
    live.watchStuck = true;
    this.#later(8_000, () => {
      live.watchStuck = false;
    });
  }

  #killAgent(): void {
    const node = this.#node();
    if (node === undefined || this.#alone.has(node)) return;
    this.#world.killAgent(node);
    this.#later(9_000, () => {
      this.#world.startAgent(node);
    });
  }

  #stopAgent(): void {
    const node = this.#node();
    const clock = node?.agent?.clock;
    if (node === undefined || clock === undefined || this.#alone.has(node)) return;
    this.#world.trace(`agent ${node.name} is stopped`);
    clock.stop();
    this.#later(12_000, () => {
      this.#world.trace(`agent ${node.name} goes on`);
      clock.go();
    });
  }

  #powerOff(): void {
    this.#takePower(this.#node(), 12_000);
  }

  /** Long enough for the session to end, and hardly longer. */
  #powerCycle(): void {
    this.#takePower(this.#node(), 4_000);
  }

  /** Half of the nodes, at one moment. */
  #disaster(): void {
    const world = this.#world;
    if (world.nodes.some((node) => !node.powered)) return;
    for (const node of world.nodes.slice(world.nodes.length / 2)) this.#takePower(node, 12_000);
  }

  #takePower(node: SimNode | undefined, msMax: number): void {
    if (node?.powered !== true) return;
    this.#world.powerOff(node);
    this.#workload.forget(node);
    this.#later(msMax, () => {
      if (!node.powered) this.#world.powerOn(node);
    });
  }

  /** The file system under a mount fails by itself, and every descriptor with it. */
  #breakMount(): void {
    const kernel = this.#node()?.kernel;
    const mount = this.#world.pick(kernel?.mounts ?? []);
    if (kernel === undefined || mount === undefined) return;
    this.#world.trace(`mount ${mount.path} breaks`);
    kernel.fail(mount.path);
  }

  /** That the agent is dead or stopped as well is outside of what evidence C promises. */
  #killGuardian(): void {
    const node = this.#node();
    if (node?.agent === undefined || this.#alone.has(node) || node.agent.clock.stopped) return;
    this.#world.killGuardian(node);
    this.#alone.add(node);
    this.#later(60, () => {
      this.#world.startGuardian(node);
      this.#alone.delete(node);
    });
  }

  #isolate(): void {
    const world = this.#world;
    const name = world.pick([...world.nodes.map((node): string => node.name), ...world.managers.map((manager) => manager.id)]);
    if (name === undefined) return;
    world.trace(`${name} is cut off from the bus`);
    world.network.partition([name]);
    this.#later(9_000, () => {
      world.network.heal();
    });
  }

  /** The way to one node is full: sessions end, and what was sent in them arrives in the next. */
  #congest(): void {
    const world = this.#world;
    const node = this.#node();
    if (node === undefined) return;
    world.trace(`the way to ${node.name} is congested`);
    world.congested.add(node.name);
    world.time.after(2_200 + world.random.float() * 1_500, () => {
      world.trace(`the way to ${node.name} is free`);
      world.congested.delete(node.name);
    });
  }

  #storm(): void {
    const world = this.#world;
    world.trace('storm: messages are lost, doubled and late, drivers fail');
    world.weather = {
      ...world.weather,
      lossRate: 0.1,
      doubleRate: 0.2,
      delayMsMax: 150,
      kvDelayMsMax: 60,
      kvFailRate: 0.03,
      kvLostAnswerRate: 0.05,
      watchDelayMsMax: 400,
      driverFaultRate: 0.2,
      diskDelayMsMax: 40,
    };
    this.#later(6_000, () => {
      const { createDelayMsMax, mountDelayMsMax } = world.weather;
      world.weather = { ...CALM, createDelayMsMax, mountDelayMsMax };
    });
  }

  #slowCreates(): void {
    const world = this.#world;
    world.trace('creates are slow');
    world.weather.createDelayMsMax = 6_000;
    this.#later(6_000, () => {
      world.weather.createDelayMsMax = 0;
    });
  }

  /** As slow as evidence C assumes at most. */
  #slowMounts(): void {
    const world = this.#world;
    world.trace('mounts are slow');
    world.weather.mountDelayMsMax = 950;
    this.#later(6_000, () => {
      world.weather.mountDelayMsMax = 0;
    });
  }

  /** etcd extends every lease when its leader changes: it may live longer than promised, never shorter. */
  #stretchLeases(): void {
    const world = this.#world;
    world.trace('etcd changes its leader: leases are stretched');
    world.kv.range({ prefix: '/volplane/sessions/', limit: 100 }).then(
      async ({ entries }) => {
        await Promise.all(entries.map((entry) => world.kv.keepAliveLease(entry.lease ?? '')));
      },
      () => undefined,
    );
  }

  /** An operator who says that a node is dead only when its power is surely off. */
  #operator(): void {
    const world = this.#world;
    const off = world.pick(world.nodes.filter((node) => !node.powered));
    const held = world.checks.documents().filter((document) => off !== undefined && document.attachments[off.name] !== undefined);
    const document = world.pick(held);
    if (off === undefined || document === undefined) return;
    world.trace(`operator releases ${document.name} from ${off.name}`);
    // A manager may be slow, and the node back and at work again by the time that it is asked.
    world.checks.onForced(document.uid);
    world
      .someApi()
      ?.forceRelease({ name: document.name, node: off.name, note: 'power is off' }, world.context(5_000))
      .catch(() => undefined);
  }

  /** An operator who wants a volume back from a node that is in touch: its agent is asked. */
  #forceRelease(): void {
    const world = this.#world;
    const document = world.pick(world.checks.documents().filter((each) => Object.keys(each.attachments).length > 0));
    const node = Object.keys(document?.attachments ?? {})[0];
    if (document === undefined || node === undefined || !world.checks.hasSession(node)) return;
    world.trace(`operator wants ${document.name} back from ${node}`);
    world.checks.onForced(document.uid);
    world
      .someApi()
      ?.forceRelease({ name: document.name, node, note: 'wanted back' }, world.context(5_000))
      .catch(() => undefined);
  }

  #node(): SimNode | undefined {
    return this.#world.pick(this.#world.nodes);
  }
}
