import { AppError } from '@volplane/base';
import type { MountMode } from '@volplane/domain';
import type { FakeWriter } from '@volplane/testkit';
import { KINDS, type SimNode, type World } from './world.js';

/** One user of a mount on one node: opens it, writes while it may, closes, unmounts. */
interface Use {
  readonly volume: string;
  readonly mountId: string;
  readonly node: SimNode;
  readonly writer: FakeWriter | undefined;
}

/** Callers that behave as the documentation asks them to: an unknown outcome is followed by the same call, or by an unmount. */
export class Workload {
  readonly #world: World;
  readonly #volumes: readonly string[];
  readonly #uses = new Set<Use>();
  #ids = 0;
  #ended = false;
  done = 0;
  refused = 0;

  constructor(world: World, volumes: number) {
    this.#world = world;
    this.#volumes = Array.from({ length: volumes }, (_, index) => `vol${String(index + 1)}`);
  }

  run(untilMs: number): void {
    const world = this.#world;
    world.often(120, untilMs, () => {
      this.#act();
    });
    world.often(40, untilMs, () => {
      for (const use of this.#uses) use.writer?.write('x');
    });
  }

  /** Ends every use, as orchestrators do in time. */
  endAll(): void {
    this.#ended = true;
    for (const use of this.#uses) this.#end(use);
  }

  /**
   * What a door does that can ask its caller what is in use: a mount that came up behind its caller's back is a use without a user,
   * and is ended (rule 8).
   */
  reconcile(): void {
    const used = new Set([...this.#uses].map((use) => use.mountId));
    for (const node of this.#world.nodes) {
      for (const record of node.agent?.agent.book.mounts() ?? []) {
        for (const mountId of record.mountIds) if (!used.has(mountId)) this.#letGo(record.name, mountId, node, 0);
      }
    }
  }

  /** A machine that lost its power has no users any more. */
  forget(node: SimNode): void {
    for (const use of this.#uses) if (use.node === node) this.#uses.delete(use);
  }

  #act(): void {
    const world = this.#world;
    const volume = world.pick(this.#volumes) ?? '';
    const roll = world.random.float();
    if (roll < 0.2) this.#create(volume);
    else if (roll < 0.62) this.#mount(volume);
    else if (roll < 0.9) {
      const use = world.pick([...this.#uses]);
      if (use !== undefined) this.#end(use);
    } else if (roll < 0.97) this.#call(`remove ${volume}`, () => world.someApi()?.removeVolume({ name: volume }, world.context(5_000)));
    else
      this.#call(`transfer ${volume}`, () =>
        world.someApi()?.transferOwnership({ name: volume, toNode: world.pick(world.nodes)?.name ?? '' }, world.context(5_000)),
      );
  }

  #create(volume: string): void {
    const world = this.#world;
    const kind = KINDS[this.#volumes.indexOf(volume) % KINDS.length];
    this.#call(`create ${volume}`, () => world.someApi()?.createVolume({ name: volume, driver: 'fake', ...kind }, world.context(5_000)));
  }

  #mount(volume: string): void {
    const world = this.#world;
    const node = world.pick(world.nodes);
    if (node === undefined) return;
    this.#ids += 1;
    const mountId = `c${String(this.#ids)}`;
    const mode: MountMode = world.random.float() < 0.15 ? 'ro' : 'rw';
    const routed = world.random.float() < 0.5;
    const api = routed ? world.someApi() : node.agent?.agent.api;
    if (api === undefined) return;
    let answered = false;
    const letGo = (): void => {
      if (!answered) this.#letGo(volume, mountId, node, 0);
      answered = true;
    };
    // A caller whose server dies hears nothing any more; whatever the outcome was, it lets go, with the same id, until it is told so.
    world.time.after(6_000, letGo);
    this.#call(`mount ${volume} on ${node.name} ${mode} as ${mountId}`, async () => {
      try {
        const mounted = await api.mountVolume(
          { name: volume, mountId, mode, ...(routed ? { node: node.name } : {}) },
          world.context(4_000),
        );
        if (answered) return;
        answered = true;
        this.#use(volume, mountId, node, mounted.path, mounted.mode);
      } catch (error) {
        if (error instanceof AppError && ['unavailable', 'deadline', 'cancelled'].includes(error.kind)) letGo();
        answered = true;
        throw error;
      }
    });
  }

  #use(volume: string, mountId: string, node: SimNode, path: string, mode: MountMode): void {
    let writer: FakeWriter | undefined;
    // It may have been aborted between the answer and now; then there is nothing to open.
    if (mode === 'rw' && node.kernel.mounts.some((mount) => mount.path === path)) {
      writer = node.kernel.openWriter(path, mountId);
      writer.write(mountId);
    }
    const use: Use = { volume, mountId, node, writer };
    this.#uses.add(use);
    if (this.#ended) this.#end(use);
  }

  #end(use: Use): void {
    this.#uses.delete(use);
    use.writer?.close();
    this.#letGo(use.volume, use.mountId, use.node, 0);
  }

  #letGo(volume: string, mountId: string, node: SimNode, attempt: number): void {
    const world = this.#world;
    const again = (): void => {
      world.time.after(300 + world.random.float() * 700, () => {
        this.#letGo(volume, mountId, node, attempt + 1);
      });
    };
    const agent = node.agent?.agent;
    world.trace(`let go: ${mountId} of ${volume} on ${node.name}, try ${String(attempt)}, ${agent === undefined ? 'no agent' : 'asked'}`);
    if (agent === undefined) {
      if (node.powered) again();
      return;
    }
    let answered = false;
    // A caller whose agent dies hears nothing: it asks again.
    world.time.after(6_000, () => {
      if (!answered) again();
    });
    agent.api.unmountVolume({ name: volume, mountId }, world.context(5_000)).then(
      () => {
        answered = true;
        world.trace(`let go: ${mountId} of ${volume} on ${node.name}: done`);
      },
      (error: unknown) => {
        if (answered) return;
        answered = true;
        if (!(error instanceof AppError)) throw error;
        again();
      },
    );
  }

  #call(what: string, call: () => Promise<unknown> | undefined): void {
    const world = this.#world;
    const running = call();
    if (running === undefined) return;
    world.trace(`call: ${what}`);
    running.then(
      () => {
        this.done += 1;
        world.trace(`done: ${what}`);
      },
      (error: unknown) => {
        if (!(error instanceof AppError) || error.reason === 'INTERNAL') throw error;
        this.refused += 1;
        world.trace(`refused: ${what}: ${error.reason}`);
      },
    );
  }
}
