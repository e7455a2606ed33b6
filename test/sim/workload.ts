import { AppError } from '@volplane/base';
import type { MountMode } from '@volplane/domain';
import type { FakeWriter } from '@volplane/testkit';
import { Violation } from './violation.js';
import type { SimNode, World } from './world.js';

/** One user of a mount on one node: opens it, writes while it may, closes, unmounts. */
interface Use {
  readonly volume: string;
  readonly mountId: string;
  readonly node: SimNode;
  readonly path: string;
  /** Of the claim that it ends. */
  readonly seq: number;
  readonly mode: MountMode;
  /** Absent: its user opens the file for each write, or only reads. */
  readonly writer: FakeWriter | undefined;
}

/** Callers that behave as the documentation asks them to: an unknown outcome is followed by the same call, or by an unmount. */
export class Workload {
  readonly #world: World;
  readonly #volumes: readonly string[];
  readonly #uses = new Set<Use>();
  #ids = 0;
  readonly #busyIds = new Set<string>();
  /** Ids of which the last outcome is not known for sure are not used again: how many there were of a volume on a node. */
  readonly #spoilt = new Map<string, number>();
  /** Ids of mounts that were answered, used, and unmounted with an answer. */
  readonly #over = new Set<string>();
  #ended = false;
  done = 0;
  refused = 0;

  constructor(world: World) {
    this.#world = world;
    this.#volumes = Array.from({ length: world.options.mix.volumes }, (_, index) => `vol${String(index + 1)}`);
  }

  run(untilMs: number): void {
    const world = this.#world;
    world.often(world.options.mix.callEveryMs, untilMs, () => {
      this.#act();
    });
    world.often(40, untilMs, () => {
      for (const use of this.#uses) write(use);
      this.#checkOver();
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
        for (const mountId of record.mountIds) if (!used.has(mountId)) this.#letGo({ volume: record.name, mountId, node }, 0);
      }
    }
  }

  /** A machine that lost its power has no users any more. */
  forget(node: SimNode): void {
    for (const use of this.#uses) if (use.node === node) this.#drop(use);
    for (const id of this.#busyIds) if (id.includes(`-${node.name}-`)) this.#spoil(id);
  }

  #act(): void {
    const world = this.#world;
    const { create, mount, end, remove, transfer } = world.options.mix.calls;
    const volume = world.pick(this.#volumes) ?? '';
    const roll = world.random.float() * (create + mount + end + remove + transfer);
    if (roll < create) this.#create(volume);
    else if (roll < create + mount) this.#mount(volume);
    else if (roll < create + mount + end) {
      const use = world.pick([...this.#uses]);
      if (use !== undefined) this.#end(use);
    } else if (roll < create + mount + end + remove) {
      this.#call(`remove ${volume}`, () => world.someApi()?.removeVolume({ name: volume }, world.context(5_000)));
    } else {
      const toNode = world.pick(world.nodes)?.name ?? '';
      this.#call(`transfer ${volume}`, () => world.someApi()?.transferOwnership({ name: volume, toNode }, world.context(5_000)));
    }
  }

  #create(volume: string): void {
    const world = this.#world;
    const { kinds } = world.options.mix;
    const kind = kinds[this.#volumes.indexOf(volume) % kinds.length];
    this.#call(`create ${volume}`, () => world.someApi()?.createVolume({ name: volume, driver: 'fake', ...kind }, world.context(5_000)));
  }

  #mount(volume: string): void {
    const world = this.#world;
    const node = world.pick(world.nodes);
    if (node === undefined) return;
    const mountId = this.#idFor(volume, node);
    if (mountId === undefined) return;
    const mode: MountMode = world.random.float() < 0.15 ? 'ro' : 'rw';
    const routed = world.random.float() < 0.5;
    const api = routed ? world.someApi() : node.agent?.agent.api;
    if (api === undefined) {
      this.#busyIds.delete(mountId);
      return;
    }
    const beganMs = world.time.nowMs;
    let answered = false;
    const letGo = (): void => {
      if (!answered) this.#letGo({ volume, mountId, node }, 0);
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
        world.checks.onAnswered(node.kernel, mounted.path, beganMs);
        this.#use({ volume, mountId, node, path: mounted.path, seq: mounted.seq, mode: mounted.mode });
      } catch (error) {
        if (error instanceof AppError && ['unavailable', 'deadline', 'cancelled'].includes(error.kind)) letGo();
        else this.#busyIds.delete(mountId);
        answered = true;
        throw error;
      }
    });
  }

  /** A new id, or the one of this volume on this node, unless it is in use or what became of it is not known. */
  #idFor(volume: string, node: SimNode): string | undefined {
    this.#ids += 1;
    if (!this.#world.options.mix.reusesIds) return `c${String(this.#ids)}`;
    const base = `${volume}-${node.name}-`;
    if ([...this.#busyIds].some((id) => id.startsWith(base))) return undefined;
    const mountId = `${base}${String(this.#spoilt.get(base) ?? 0)}`;
    this.#busyIds.add(mountId);
    return mountId;
  }

  #spoil(mountId: string): void {
    const base = mountId.slice(0, mountId.lastIndexOf('-') + 1);
    if (base !== '') this.#spoilt.set(base, this.#ids);
  }

  /** A use that was ended, and whose end was answered, does not come back. */
  #checkOver(): void {
    for (const node of this.#world.nodes) {
      for (const record of node.agent?.agent.book.mounts() ?? []) {
        const back = record.mountIds.find((id) => this.#over.has(id));
        if (back !== undefined)
          throw new Violation('one answer', `${back} has ${record.name} mounted on ${node.name} again, behind its unmount`);
      }
    }
  }

  #use(answer: Omit<Use, 'writer'>): void {
    const { node, path, mode, mountId } = answer;
    let writer: FakeWriter | undefined;
    // It may have been aborted between the answer and now; then there is nothing to open.
    const mount = node.kernel.mounts.find((each) => each.path === path);
    if (mode === 'rw' && mount !== undefined && this.#world.random.float() < 0.5) writer = node.kernel.openWriter(path, mountId);
    const use: Use = { ...answer, writer };
    this.#uses.add(use);
    if (mount !== undefined) this.#world.checks.onUseBegan(mount, mountId);
    write(use);
    if (this.#ended) this.#end(use);
  }

  #end(use: Use): void {
    this.#drop(use);
    this.#letGo(use, 0);
  }

  #drop(use: Use): void {
    this.#uses.delete(use);
    use.writer?.close();
    this.#world.checks.onUseEnds(use.mountId);
  }

  #letGo(use: Pick<Use, 'volume' | 'mountId' | 'node'> & { readonly seq?: number }, attempt: number): void {
    const world = this.#world;
    const { volume, mountId, node, seq } = use;
    // Without the claim's seq a late copy of the unmount could end a later mount under the same id.
    if (seq === undefined) this.#spoil(mountId);
    const again = (): void => {
      world.time.after(300 + world.random.float() * 700, () => {
        this.#letGo(use, attempt + 1);
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
    const request = { name: volume, mountId, ...(seq === undefined ? {} : { seq }) };
    const routed = attempt === 0 && world.random.float() < 0.5 ? world.someApi() : undefined;
    const unmounting =
      routed === undefined
        ? agent.api.unmountVolume(request, world.context(5_000))
        : routed.unmountVolume({ ...request, node: node.name }, world.context(5_000));
    unmounting.then(
      () => {
        if (!answered) this.#busyIds.delete(mountId);
        if (seq !== undefined && !world.options.mix.reusesIds) this.#over.add(mountId);
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

function write(use: Use): void {
  if (use.mode === 'ro') return;
  if (use.writer !== undefined) use.writer.write('x');
  else if (use.node.kernel.mounts.some((mount) => mount.path === use.path)) {
    const writer = use.node.kernel.openWriter(use.path, use.mountId);
    writer.write('x');
    writer.close();
  }
}
