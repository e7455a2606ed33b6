import { AppError, hasReason, type Failure, type Logger, type Random } from '@volplane/base';
import {
  decideAnswer,
  decideDropLost,
  decideRehome,
  pendingCommands,
  placementOf,
  type NodeName,
  type OperationId,
  type PendingCommand,
  type VolumeDocument,
  type VolumeName,
} from '@volplane/domain';
import { commandAnswer, toCommandAnswer, type CommandAnswer } from '@volplane/wire';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import { NodeLives } from './node-lives.js';
import { placeWhile, toLiveNode } from './placing.js';

/** How far a volume's pending operation could be brought. */
export interface Driven {
  /** Nothing is pending any more. */
  readonly settled: boolean;
  /** The known failure of the operation, or why it could not go on for now. */
  readonly failure?: Failure;
}

/**
 * Brings recorded operations to their end: asks the nodes that the document names, records their answers, gives work of dead
 * owners to live ones. A caller and a sweep run the same code, on the document alone; agents answer a repeated operation id from
 * their journal, so any number of managers may drive one volume.
 */
export class Operations {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #lives: NodeLives;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #driving = new Map<VolumeName, Promise<Driven>>();

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly random: Random;
    readonly log: Logger;
  }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#lives = new NodeLives(parts.cache);
    this.#random = parts.random;
    this.#log = parts.log;
  }

  newOperationId(): OperationId {
    return this.#random.hex(32) as OperationId; // 32 hexadecimal characters is what an operation id is
  }

  isDriving(name: VolumeName): boolean {
    return this.#driving.has(name);
  }

  /** Drives the volume's operation as far as it goes now; joins a drive that runs. Never rejects for the world's failures. */
  drive(name: VolumeName): Promise<Driven> {
    const running = this.#driving.get(name);
    if (running !== undefined) return running;
    const driving = this.#drive(name).finally(() => this.#driving.delete(name));
    this.#driving.set(name, driving);
    return driving;
  }

  async #drive(name: VolumeName): Promise<Driven> {
    let failure: Failure | undefined;
    for (let step = 0; step < STEPS_MAX; step += 1) {
      const document = this.#cache.volumes.get(name)?.document;
      const commands = document === undefined ? [] : pendingCommands(document);
      if (document === undefined || commands.length === 0) return failure === undefined ? { settled: true } : { settled: true, failure };
      const results = await Promise.all(commands.map((command) => this.#runGuarded(document, command)));
      failure = results.find((result) => result.failure !== undefined)?.failure ?? failure;
      if (!results.some((result) => result.progress)) return failure === undefined ? { settled: false } : { settled: false, failure };
    }
    return {
      settled: false,
      failure: { reason: 'CONTENTION', message: `volume ${name} keeps changing while its operation runs`, fields: { volume: name } },
    };
  }

  async #runGuarded(document: VolumeDocument, command: PendingCommand): Promise<StepResult> {
    try {
      return await this.#run(document, command);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#log.debug('operation step did not finish', {
        volume: document.name,
        uid: document.uid,
        node: command.node,
        kind: command.kind,
        error,
      });
      if (hasReason(error, 'NOT_OWNER', 'SESSION_LOST')) await this.#refresh(document, command);
      return { progress: false, failure: error.failure };
    }
  }

  async #run(document: VolumeDocument, command: PendingCommand): Promise<StepResult> {
    const present = this.#lives.present(command.node);
    if (present?.life.nodeUid !== command.nodeUid) return await this.#withoutNode(document, command);
    const { life, signal } = present;
    if (this.#isBehind(command.node)) return await this.#catchUp(command.node);
    let answer: CommandAnswer;
    try {
      const asked = await this.#agents.ask(
        command.node,
        {
          type: 'command',
          session: life.session,
          incarnation: life.incarnation,
          name: document.name,
          uid: document.uid,
          spec: document.spec,
          kind: command.kind,
          operationId: command.operationId,
          epoch: command.epoch,
          parameters: { ...command.parameters },
        },
        commandAnswer,
        { timeoutMs: COMMAND_TIMEOUT_MS, signal },
      );
      answer = toCommandAnswer(asked);
    } catch (error) {
      // That life of the agent answers no more. Who has to act now, the document and the sessions say at the next step.
      if (signal.aborted) return { progress: true };
      throw error;
    }
    return await this.#record(document, command, answer);
  }

  /**
   * True when the node's life is known and older changes of volumes may not be: what the document asks for can be over then, and a new
   * life has forgotten the epochs of volumes that were removed before it began.
   */
  #isBehind(node: NodeName): boolean {
    return (this.#cache.sessions.get(node)?.modRevision ?? 0) > this.#cache.revision;
  }

  /** @throws AppError STORE_UNAVAILABLE */
  async #catchUp(node: NodeName): Promise<StepResult> {
    await this.#cache.barrier();
    if (!this.#isBehind(node)) return { progress: true };
    throw new AppError('STORE_UNAVAILABLE', 'the changes in the store have not reached this manager yet', { node });
  }

  async #record(document: VolumeDocument, command: PendingCommand, answer: CommandAnswer): Promise<StepResult> {
    const { uid } = document;
    const changed = await this.#records.change(document.name, (current, view) =>
      decideAnswer(
        current,
        { uid, operationId: command.operationId, nodeUid: command.nodeUid, epoch: command.epoch, result: answer },
        this.newOperationId(),
        view,
      ),
    );
    if (answer.type === 'failed') return { progress: changed.committed, failure: answer.failure };
    return { progress: true };
  }

  /** The node that should act is gone, or another machine has its name. */
  async #withoutNode(document: VolumeDocument, command: PendingCommand): Promise<StepResult> {
    if (command.nodeUid !== document.ownerUid) {
      const dropped = await this.#records.change(document.name, (current, view) =>
        current === undefined ? { type: 'unchanged', answer: undefined } : decideDropLost(current, view),
      );
      return { progress: dropped.committed };
    }
    await this.rehome(document);
    return { progress: true };
  }

  /** Gives the volume to a live node because its owner's session has ended. @throws AppError when no node can take it */
  async rehome(document: VolumeDocument): Promise<void> {
    const { name, uid, owner, ownerUid } = document;
    await placeWhile(placementOf(document.spec), this.#cache, async (chosen) => {
      const to = toLiveNode(chosen);
      await this.#records.change(name, (current, view) =>
        current?.ownerUid !== ownerUid ? { type: 'unchanged', answer: document } : decideRehome(current, to, 'owner-gone', view),
      );
      this.#log.info('owner is gone, volume re-homed', { volume: name, uid, from: owner, to: to.node });
    });
  }

  /** Memory was behind: the next step shall not repeat the same mistake. */
  async #refresh(document: VolumeDocument, command: PendingCommand): Promise<void> {
    try {
      await Promise.all([this.#cache.readVolume(document.name), this.#cache.readSession(command.node)]);
    } catch (error) {
      this.#log.debug('refresh failed', { volume: document.name, error });
    }
  }
}

interface StepResult {
  readonly progress: boolean;
  readonly failure?: Failure;
}

/** create, roll back, re-home, remove: more steps than any operation has. */
const STEPS_MAX = 12;

/** A driver may take this long (mkfs, a slow server); the answer of a longer one is fetched by the next sweep. */
const COMMAND_TIMEOUT_MS = 60_000;
