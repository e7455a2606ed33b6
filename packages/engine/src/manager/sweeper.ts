import { AppError, backoffMs, sleep, type Clock, type Logger, type Random, type Service } from '@volplane/base';
import { isSingleNode, pendingCommands, rendezvousOwner, type LostNode, type NodeName, type VolumeName } from '@volplane/domain';
import { inParallel } from '../in-parallel.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { LostNodes } from './lost-nodes.js';
import type { Operations } from './operations.js';

/**
 * Finishes what somebody began: operations whose caller or manager is gone, volumes whose owner's session has ended, and what is
 * left of nodes that were declared lost.
 *
 * Level-triggered: a signal and the timer lead to the same look at the record. The volumes are divided among the live
 * managers by rendezvous hashing; two managers on one volume are harmless, the compare decides. Moves need etcd alone and are
 * waited for; operations need agents, which may hang, so they run beside the sweeps.
 */
export class Sweeper implements Service {
  readonly name = 'sweeper';
  readonly #cache: ClusterCache;
  readonly #operations: Operations;
  readonly #lostNodes: LostNodes;
  readonly #managerId: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #retries = new Map<VolumeName, { attempt: number; notBeforeMs: number }>();
  readonly #driving = new Set<VolumeName>();
  /** By the node that is waited for first. */
  readonly #drivesOf = new Map<NodeName, number>();
  #wake: () => void = () => undefined;

  constructor(parts: {
    readonly cache: ClusterCache;
    readonly operations: Operations;
    readonly lostNodes: LostNodes;
    readonly managerId: string;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger;
  }) {
    this.#cache = parts.cache;
    this.#operations = parts.operations;
    this.#lostNodes = parts.lostNodes;
    this.#managerId = parts.managerId;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#log = parts.log;
  }

  async run(signal: AbortSignal): Promise<void> {
    // Given up by a manager that stops: there is nothing to sweep then.
    await this.#cache.filled.catch(() => undefined);
    const stopListening = this.#cache.listen({
      onSession: () => {
        this.#wake();
      },
      onVolume: (name, record) => {
        if (record === undefined) this.#retries.delete(name);
      },
    });
    try {
      while (!signal.aborted) {
        await this.sweep(signal);
        await this.#rest(signal);
      }
    } finally {
      stopListening();
    }
  }

  /** One look at everything that may need work. Resolves when the moves are done and the operations run. */
  async sweep(signal: AbortSignal): Promise<void> {
    const mine = this.#isMine();
    for (const name of this.#cache.volumes.unfinished) {
      if (this.#driving.size >= DRIVES_MAX) break;
      if (!this.#driving.has(name) && mine(name)) this.#startDrive(name);
    }
    await inParallel(this.#moves(mine), MOVES_MAX, (move) => this.#guarded(move.name, move.run), signal);
  }

  #moves(mine: (name: VolumeName) => boolean): readonly Move[] {
    const moves = new Map<VolumeName, Move>();
    for (const lost of this.#lostNodes.remaining()) {
      for (const name of this.#cache.volumes.naming(lost.nodeUid)) {
        if (mine(name)) moves.set(name, { name, run: () => this.#settle(name, lost) });
      }
    }
    for (const node of this.#goneNodes()) {
      for (const name of this.#cache.volumes.ownedBy(node)) {
        if (!moves.has(name) && this.#canBeRehomed(name) && mine(name)) moves.set(name, { name, run: () => this.#rehome(name) });
      }
    }
    return [...moves.values()];
  }

  /** Which volumes this manager looks after now, and are not to be left alone for a while. */
  #isMine(): (name: VolumeName) => boolean {
    const nowMs = this.#clock.monotonicMs();
    const managers = [...this.#cache.managers];
    const isAnnounced = managers.includes(this.#managerId);
    return (name) =>
      (this.#retries.get(name)?.notBeforeMs ?? 0) <= nowMs &&
      !this.#operations.isDriving(name) &&
      // A manager that is not announced yet looks after everything: better twice than never.
      (!isAnnounced || rendezvousOwner(name, managers) === this.#managerId);
  }

  #goneNodes(): readonly NodeName[] {
    return [...this.#cache.nodes.keys()].filter((node) => !this.#cache.sessions.has(node));
  }

  /** A single-node volume stays with the node that holds it until there is evidence; that is a claim's business. */
  #canBeRehomed(name: VolumeName): boolean {
    const document = this.#cache.volumes.get(name)?.document;
    if (document === undefined || document.operation !== undefined) return false;
    return !isSingleNode(document.spec.accessMode) || Object.keys(document.attachments).length === 0;
  }

  #startDrive(name: VolumeName): void {
    const document = this.#cache.volumes.get(name)?.document;
    const [command] = document === undefined ? [] : pendingCommands(document);
    const drives = command === undefined ? 0 : (this.#drivesOf.get(command.node) ?? 0);
    if (command === undefined || drives >= DRIVES_PER_NODE_MAX) return;
    const { node } = command;
    this.#driving.add(name);
    this.#drivesOf.set(node, drives + 1);
    const drive = async (): Promise<string | undefined> => {
      const driven = await this.#operations.drive(name);
      return driven.settled ? undefined : (driven.failure?.message ?? 'no progress');
    };
    const forget = (): void => {
      this.#driving.delete(name);
      const left = (this.#drivesOf.get(node) ?? 1) - 1;
      if (left === 0) this.#drivesOf.delete(node);
      else this.#drivesOf.set(node, left);
    };
    this.#guarded(name, drive).then(forget, forget);
  }

  async #rehome(name: VolumeName): Promise<undefined> {
    const document = this.#cache.volumes.get(name)?.document;
    if (document !== undefined) await this.#operations.rehome(document);
  }

  async #settle(name: VolumeName, lost: LostNode): Promise<string | undefined> {
    return (await this.#lostNodes.settle(name, lost)) ? undefined : `no node can own it instead of ${lost.node}`;
  }

  /** Never rejects: what `work` could not do is tried again later, a fault of ours as well, so that it harms one volume only. */
  async #guarded(name: VolumeName, work: () => Promise<string | undefined>): Promise<void> {
    try {
      const left = await work();
      if (left === undefined) this.#retries.delete(name);
      else this.#later(name, left);
    } catch (error) {
      if (!(error instanceof AppError)) this.#log.error('volume could not be looked after', { volume: name, error });
      this.#later(name, error instanceof AppError ? error.message : 'internal fault');
    }
  }

  #later(name: VolumeName, why: string): void {
    const attempt = (this.#retries.get(name)?.attempt ?? 0) + 1;
    const delayMs = backoffMs(this.#random, attempt, { firstMs: 250, maxMs: RETRY_MS_MAX });
    this.#retries.set(name, { attempt, notBeforeMs: this.#clock.monotonicMs() + delayMs });
    const fields = { volume: name, attempt, why };
    if (attempt > 5) this.#log.warn('volume still waits for its operation', fields);
    else this.#log.debug('volume waits for its operation', fields);
  }

  /** Until the period has passed, or a session came or went. */
  async #rest(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => {
      woken.abort();
    };
    const restMs = SWEEP_PERIOD_MS * (0.75 + this.#random.float() / 2);
    await sleep(this.#clock, restMs, signal, woken.signal).catch(() => undefined);
  }
}

interface Move {
  readonly name: VolumeName;
  /** @returns what is left to do; undefined = nothing */
  readonly run: () => Promise<string | undefined>;
}

/** Moves at once in one manager: enough to fill group commits, few enough to leave room for callers. */
const MOVES_MAX = 256;

/** Operations that one manager's sweeps drive at once; those of callers come on top. */
const DRIVES_MAX = 256;

/** Of these for one node: one that hangs shall not keep those of all others waiting until its commands time out. */
const DRIVES_PER_NODE_MAX = 64;

/** How long an orphaned operation waits at most before somebody looks; a look at nothing costs nothing. */
const SWEEP_PERIOD_MS = 1_000;

const RETRY_MS_MAX = 30_000;
