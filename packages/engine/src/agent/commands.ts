import { AppError, hasReason, toFailure, type KeyedQueue, type Logger } from '@volplane/base';
import type { NodeName, StringMap, VolumeName, VolumeUid } from '@volplane/domain';
import type { DriverVolume, VolumeDriver } from '@volplane/ports';
import type { AgentMessageOf, CommandAnswer } from '@volplane/wire';
import type { AgentBook } from './agent-book.js';
import type { AgentSession } from './agent-session.js';
import { DRIVER_MS, KNOWN_FAILURES, toDriverVolume, type DriverSet } from './driver-set.js';

/** Runs managers' commands on global volumes: in the right life, in epoch order, each operation's effect once (rules 1, 15, 17). */
export class Commands {
  readonly #node: NodeName;
  readonly #book: AgentBook;
  readonly #session: AgentSession;
  readonly #drivers: DriverSet;
  readonly #queue: KeyedQueue;
  readonly #log: Logger;

  constructor(parts: {
    readonly node: NodeName;
    readonly book: AgentBook;
    readonly session: AgentSession;
    readonly drivers: DriverSet;
    readonly queue: KeyedQueue;
    readonly log: Logger;
  }) {
    this.#node = parts.node;
    this.#book = parts.book;
    this.#session = parts.session;
    this.#drivers = parts.drivers;
    this.#queue = parts.queue;
    this.#log = parts.log;
  }

  /**
   * @returns the outcome; the same one for the same operation id, without a second effect
   * @throws AppError NOT_OWNER, SESSION_LOST (not for this life); anything else means that the outcome is not known yet
   */
  run(command: AgentMessageOf<'command'>): Promise<CommandAnswer> {
    return this.#queue.run(command.name, async () => {
      this.checkAddressee(command);
      const memory = this.#book.command(command.uid);
      if (memory !== undefined && command.epoch < memory.epoch) throw this.#notOwner(command.name, command.epoch, memory.epoch);
      if (memory?.operationId === command.operationId && memory.answer !== undefined) return memory.answer;
      const begun = { epoch: command.epoch, operationId: command.operationId };
      await this.#book.remember(command.uid, begun);
      const answer = await this.#effect(command);
      // A fence may have raised the epoch meanwhile.
      const epoch = Math.max(command.epoch, this.#book.command(command.uid)?.epoch ?? 0);
      const ended = { ...begun, epoch, answer };
      await this.#book.remember(command.uid, command.kind === 'remove' ? { ...ended, removed: true } : ended);
      return answer;
    });
  }

  /**
   * Makes the storage refuse everything below the epoch (evidence B). Not in the volume's queue: the mount whose claim waits for this
   * very fence stands there.
   */
  async fence(message: AgentMessageOf<'fence'>): Promise<{ readonly receipt: string }> {
    const { name, uid, spec, epoch } = message;
    this.checkAddressee(message);
    const memory = this.#book.command(uid);
    if (memory !== undefined && epoch < memory.epoch) throw this.#notOwner(name, epoch, memory.epoch);
    await this.#book.remember(uid, { ...memory, epoch });
    const driver = this.#drivers.get(spec.driver, name);
    const fence = driver.fence?.bind(driver);
    if (fence === undefined) throw cannot(driver, name, 'fence');
    const receipt = await this.#drivers.run(`fence of volume ${name}`, uid, DRIVER_MS.fence, (signal) =>
      fence(toDriverVolume(message), signal),
    );
    return { receipt: receipt.slice(0, RECEIPT_CHARACTERS_MAX) };
  }

  /** @throws AppError SESSION_LOST when the message is meant for another life of the agent, or the session is not valid */
  checkAddressee(message: { readonly session: string; readonly incarnation: string }): void {
    const live = this.#session.current();
    if (live?.session === message.session && live.incarnation === message.incarnation) return;
    if (live === undefined) {
      throw new AppError('SESSION_LOST', `node ${this.#node} is not in touch with the managers; it takes no orders until it is`, {
        node: this.#node,
      });
    }
    throw new AppError('SESSION_LOST', `the message is meant for another session or incarnation of node ${this.#node}`, {
      node: this.#node,
    });
  }

  async #effect(command: AgentMessageOf<'command'>): Promise<CommandAnswer> {
    const volume = toDriverVolume(command);
    try {
      const driver = this.#drivers.get(command.spec.driver, command.name);
      const facts = await this.#drivers.run(`${command.kind} of volume ${command.name}`, command.uid, DRIVER_MS.create, (signal) =>
        runKind(driver, command, volume, signal),
      );
      this.#log.info('command done', {
        kind: command.kind,
        volume: command.name,
        uid: command.uid,
        epoch: command.epoch,
        operation: command.operationId,
      });
      return { type: 'done', facts };
    } catch (error) {
      // Only a failure that is known to have left nothing behind is an answer; a remove is never answered with a failure, it goes on.
      if (command.kind === 'remove' || !hasReason(error, ...KNOWN_FAILURES)) throw error;
      this.#log.warn('command failed', { kind: command.kind, volume: command.name, uid: command.uid, error });
      return { type: 'failed', failure: toFailure(error) };
    }
  }

  #notOwner(name: VolumeName, epoch: number, seen: number): AppError {
    return new AppError(
      'NOT_OWNER',
      `node ${this.#node} has seen epoch ${String(seen)} of volume ${name} and refuses epoch ${String(epoch)}`,
      { volume: name, node: this.#node, epoch: String(seen) },
    );
  }
}

async function runKind(
  driver: VolumeDriver,
  command: AgentMessageOf<'command'>,
  volume: DriverVolume,
  signal: AbortSignal,
): Promise<StringMap> {
  const { parameters, name } = command;
  const snapshot = parameters['snapshot'] ?? '';
  switch (command.kind) {
    case 'create':
      await driver.validate(volume.options);
      refuseLease(driver, command);
      await driver.create({ ...volume, ...sourceOf(parameters) }, signal);
      return {};
    case 'remove':
      await driver.remove(volume, signal);
      return {};
    case 'expand':
      if (driver.expand === undefined) throw cannot(driver, name, 'expand');
      return { sizeBytes: String(await driver.expand(volume, Number(parameters['sizeBytes']), signal)) };
    case 'snapshot':
      if (driver.snapshot === undefined) throw cannot(driver, name, 'snapshot');
      return { sizeBytes: String(await driver.snapshot(volume, snapshot, signal)) };
    case 'remove-snapshot':
      if (driver.removeSnapshot === undefined) throw cannot(driver, name, 'snapshot');
      await driver.removeSnapshot(volume, snapshot, signal);
      return {};
  }
}

/** The promise of the policy `lease` is that mounts are cut off in time: where that can never be, it is not given. */
function refuseLease(driver: VolumeDriver, { name, spec }: AgentMessageOf<'command'>): void {
  const fault = spec.takeover === 'lease' ? driver.abortFault?.(spec.options) : undefined;
  if (fault === undefined) return;
  throw new AppError('CAPABILITY_MISSING', `volume ${name} cannot have the takeover policy lease: ${fault}`, {
    volume: name,
    driver: driver.info.name,
    capability: 'abort',
  });
}

function sourceOf(parameters: StringMap): Pick<DriverVolume, 'source'> {
  const { sourceUid, sourceName, sourceSnapshot } = parameters;
  if (sourceUid === undefined || sourceName === undefined) return {};
  // Written by a manager from the document of the source.
  const source = { uid: sourceUid as VolumeUid, name: sourceName as VolumeName };
  return { source: sourceSnapshot === undefined ? source : { ...source, snapshot: sourceSnapshot } };
}

function cannot(driver: VolumeDriver, volume: string, capability: string): AppError {
  return new AppError('CAPABILITY_MISSING', `driver ${driver.info.name} of volume ${volume} cannot ${capability}`, {
    volume,
    driver: driver.info.name,
    capability,
  });
}

/** Of the answer's schema. */
const RECEIPT_CHARACTERS_MAX = 200;
