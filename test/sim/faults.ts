import { CALM, type SimNode, type World } from './world.js';
import type { Workload } from './workload.js';

/** Draws faults until `untilMs`, each with its own end; counts them. */
export class Faults {
  readonly #world: World;
  readonly #workload: Workload;
  count = 0;

  constructor(world: World, workload: Workload) {
    this.#world = world;
    this.#workload = workload;
  }

  run(untilMs: number): void {
    this.#world.often(700, untilMs, () => {
      this.count += 1;
      const faults = [
        this.#killManager,
        this.#stopManager,
        this.#cutManager,
        this.#killAgent,
        this.#killAgent,
        this.#stopAgent,
        this.#powerOff,
        this.#killGuardian,
        this.#isolate,
        this.#storm,
        this.#stretchLeases,
        this.#operator,
      ];
      this.#world.pick(faults)?.call(this);
    });
  }

  /** Ends every fault: all machines on, all processes running, all ways free. */
  heal(): void {
    const world = this.#world;
    world.weather = { ...CALM };
    world.network.heal();
    for (const manager of world.managers) {
      manager.kvCut = false;
      manager.clock.go();
    }
    while (world.managers.length < world.options.managers) world.startManager();
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
      if (world.managers.length < world.options.managers) world.startManager();
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

  #killAgent(): void {
    const node = this.#node();
    if (node === undefined) return;
    this.#world.killAgent(node);
    this.#later(9_000, () => {
      this.#world.startAgent(node);
    });
  }

  #stopAgent(): void {
    const node = this.#node();
    const clock = node?.agent?.clock;
    if (node === undefined || clock === undefined) return;
    this.#world.trace(`agent ${node.name} is stopped`);
    clock.stop();
    this.#later(12_000, () => {
      this.#world.trace(`agent ${node.name} goes on`);
      clock.go();
    });
  }

  #powerOff(): void {
    const node = this.#node();
    if (node === undefined) return;
    this.#world.powerOff(node);
    this.#workload.forget(node);
    this.#later(12_000, () => {
      if (!node.powered) this.#world.powerOn(node);
    });
  }

  #killGuardian(): void {
    const node = this.#node();
    if (node === undefined) return;
    this.#world.killGuardian(node);
    // Restarted within the slack between deadline and lease end; that both stay dead is outside of what C promises.
    this.#later(60, () => {
      this.#world.startGuardian(node);
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

  #storm(): void {
    const world = this.#world;
    world.trace('storm: messages are lost, doubled and late, drivers fail');
    world.weather = {
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
      world.weather = { ...CALM };
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
    world
      .someApi()
      ?.forceRelease({ name: document.name, node: off.name, note: 'power is off' }, world.context(5_000))
      .catch(() => undefined);
  }

  #node(): SimNode | undefined {
    return this.#world.pick(this.#world.nodes);
  }
}
