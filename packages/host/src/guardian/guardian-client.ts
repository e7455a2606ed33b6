import { createConnection, type Socket } from 'node:net';
import { AppError, sleep, withTimeout, type Clock, type Logger, type Service } from '@volplane/base';
import type { VolumeUid } from '@volplane/domain';
import type { ArmedMount, Guardian } from '@volplane/ports';
import { bootMs } from './boot-clock.js';
import { guardianAnswer, type GuardianAnswer, type GuardianCall } from './guardian-messages.js';
import { boundedLines } from './bounded-lines.js';
import { socketPath } from './guardian-server.js';

export interface GuardianClientOptions {
  readonly folder: string;
  /**
   * Starts a guardian for the folder that outlives this process; one that finds another at work ends by itself.
   *
   * @returns settles when that guardian has ended, or could not be started; never rejects
   */
  readonly spawn: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The agent's connection to its guardian: starts one when none answers, and tells at once when it is gone. */
export class GuardianClient implements Guardian, Service {
  readonly name = 'guardian';
  readonly #options: GuardianClientOptions;
  readonly #listeners = new Set<(alive: boolean) => void>();
  readonly #waiting = new Map<number, { readonly resolve: (answer: GuardianAnswer) => void; readonly reject: (error: Error) => void }>();
  #socket: Socket | undefined;
  #nextId = 1;
  /** While set, the guardian started last is given its time, on this clock, to listen. */
  #startsUntilMs: number | undefined;

  constructor(options: GuardianClientOptions) {
    this.#options = options;
  }

  get alive(): boolean {
    return this.#socket !== undefined;
  }

  onChange(listener: (alive: boolean) => void): void {
    this.#listeners.add(listener);
  }

  now(): number {
    return bootMs();
  }

  async arm(mount: ArmedMount): Promise<void> {
    await this.#ask({ type: 'arm', mount });
  }

  extend(deadlineMs: number): void {
    if (!this.alive) return;
    this.#ask({ type: 'extend', deadlineMs }).catch((error: unknown) => {
      this.#options.log.debug('guardian was not told the new deadline', { error });
    });
  }

  async gate<T>(uid: VolumeUid, mountMsMax: number, mount: () => Promise<T>): Promise<T> {
    if (!(await this.#ask({ type: 'open-gate', uid, mountMsMax })).ok) throw tooLate(uid);
    let result: T;
    try {
      result = await mount();
    } finally {
      const { ok } = await this.#ask({ type: 'close-gate', uid });
      // eslint-disable-next-line no-unsafe-finally -- a mount past its deadline is never answered, however the call itself ended
      if (!ok) throw tooLate(uid);
    }
    return result;
  }

  async disarm(uid: VolumeUid): Promise<void> {
    await this.#ask({ type: 'disarm', uid });
  }

  async list(): Promise<readonly ArmedMount[]> {
    return (await this.#ask({ type: 'list' })).mounts ?? [];
  }

  /** Keeps the connection, starting guardians as needed, until the signal fires. The guardian itself stays. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const socket = await this.#connect();
      if (socket === undefined) this.#start();
      else await this.#hold(socket, signal);
      if (!signal.aborted) await sleep(this.#options.clock, RETRY_MS, signal).catch(() => undefined);
    }
  }

  /** One at a time: on a busy machine a process needs seconds to listen, and more of them would make it busier. */
  #start(): void {
    const { clock, log, spawn } = this.#options;
    if (this.#startsUntilMs !== undefined && clock.monotonicMs() < this.#startsUntilMs) return;
    const untilMs = clock.monotonicMs() + START_MS;
    this.#startsUntilMs = untilMs;
    spawn()
      .catch((error: unknown) => {
        log.error('guardian could not be started', { error });
      })
      .finally(() => {
        if (this.#startsUntilMs === untilMs) this.#startsUntilMs = undefined;
      });
  }

  #connect(): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const socket = createConnection(socketPath(this.#options.folder));
      socket.once('connect', () => {
        resolve(socket);
      });
      socket.once('error', () => {
        socket.destroy();
        resolve(undefined);
      });
    });
  }

  async #hold(socket: Socket, signal: AbortSignal): Promise<void> {
    boundedLines(socket).on('line', (line) => {
      const answer = guardianAnswer.parse(JSON.parse(line));
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    });
    const end = (): void => {
      socket.destroy();
    };
    signal.addEventListener('abort', end);
    this.#socket = socket;
    for (const listener of this.#listeners) listener(true);
    await new Promise<void>((resolve) => {
      socket.on('error', end);
      socket.once('close', resolve);
    });
    signal.removeEventListener('abort', end);
    this.#socket = undefined;
    for (const { reject } of this.#waiting.values()) reject(unguarded());
    this.#waiting.clear();
    if (signal.aborted) return;
    this.#options.log.error('guardian is gone');
    for (const listener of this.#listeners) listener(false);
  }

  #ask(call: GuardianCall): Promise<GuardianAnswer> {
    const socket = this.#socket;
    if (socket === undefined) return Promise.reject(unguarded());
    const id = this.#nextId;
    this.#nextId += 1;
    const answer = new Promise<GuardianAnswer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      socket.write(`${JSON.stringify({ id, call })}\n`);
    });
    return withTimeout(this.#options.clock, answer, {
      timeoutMs: ANSWER_MS,
      onTimeout: () => {
        this.#waiting.delete(id);
        // One that hangs is as good as dead: the connection's end says so to everybody.
        socket.destroy();
        return unguarded();
      },
    });
  }
}

function unguarded(): AppError {
  return new AppError('GUARDIAN_DOWN', 'the guardian of this node does not answer; it is being restarted', {});
}

function tooLate(uid: string): AppError {
  return new AppError('SESSION_LOST', 'the session of this node ends too soon, or ended, for a lease-bound mount; repeat it', { uid });
}

/** The guardian answers from memory; what takes longer is a guardian that hangs. */
const ANSWER_MS = 3_000;
const RETRY_MS = 100;

/** A guardian that lives and does not listen after this long hangs; the next one cannot take its folder before it ends. */
const START_MS = 30_000;
