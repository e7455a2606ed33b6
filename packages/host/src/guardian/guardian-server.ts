import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock, Logger } from '@volplane/base';
import type { ArmedMount } from '@volplane/ports';
import { lockFolder, type FolderLock } from '../folder-lock.js';
import { ArmedMounts } from './armed-mounts.js';
import { boundedLines } from './bounded-lines.js';
import { armedFile, guardianRequest, type GuardianAnswer, type GuardianCall } from './guardian-messages.js';

export interface GuardianServerOptions {
  /** The guardian's own folder, mode 0700; best on a tmpfs: a machine that restarts has no mounts left to guard. */
  readonly folder: string;
  readonly clock: Clock;
  /** Milliseconds of a clock that the agent shares. */
  readonly now: () => number;
  /** Cuts off what is mounted there; nothing mounted: fine. */
  readonly abort: (target: string) => Promise<void>;
  readonly isMounted: (target: string) => Promise<boolean>;
  readonly log: Logger;
}

/**
 * The guardian process: knows armed mounts and their deadlines, and aborts what is past its own, whoever else lives.
 *
 * It holds one small file, which survives its own death; a change is in the file before it is answered. The file is not synced: what it is for
 * ends with the machine. A restarted guardian aborts first and listens then.
 */
export class GuardianServer {
  readonly #options: GuardianServerOptions;
  readonly #armed: ArmedMounts;
  readonly #lock: FolderLock;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #cancelLook: () => void = () => undefined;
  #closed = false;
  /** Called when nothing is armed and nobody is connected for {@link IDLE_MS}. */
  onIdle: () => void = () => undefined;
  #cancelIdle: () => void = () => undefined;

  private constructor(options: GuardianServerOptions, armed: ArmedMounts, lock: FolderLock) {
    this.#options = options;
    this.#armed = armed;
    this.#lock = lock;
  }

  /** @throws AppError FOLDER_IN_USE when another guardian has the folder */
  static async open(options: GuardianServerOptions): Promise<GuardianServer> {
    const lock = await lockFolder(options.folder);
    try {
      const server = new GuardianServer(options, new ArmedMounts(readArmed(options)), lock);
      await server.#look();
      await server.#listen();
      return server;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLook();
    this.#cancelIdle();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else
        this.#server.close(() => {
          resolve();
        });
    });
    await this.#lock.release();
  }

  async #listen(): Promise<void> {
    const path = socketPath(this.#options.folder);
    // This process has the folder's lock, so a socket that is there is nobody's.
    rmSync(path, { force: true });
    const server = createServer((socket) => {
      this.#serve(socket);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    this.#watchIdle();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    this.#watchIdle();
    boundedLines(socket).on('line', (line) => {
      this.#answer(socket, line).catch((error: unknown) => {
        this.#options.log.error('guardian could not answer', { error });
        socket.destroy();
      });
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#watchIdle();
    });
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    const { id, call } = guardianRequest.parse(JSON.parse(line));
    const answer: GuardianAnswer = { id, ...(await this.#run(call)) };
    if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`);
  }

  async #run(call: GuardianCall): Promise<Omit<GuardianAnswer, 'id'>> {
    const { now, log } = this.#options;
    switch (call.type) {
      case 'arm':
        this.#armed.arm(call.mount);
        this.#changed();
        log.info('mount armed', { uid: call.mount.uid, target: call.mount.target, inMs: Math.round(call.mount.deadlineMs - now()) });
        return { ok: true };
      case 'extend':
        if (this.#armed.extend(call.deadlineMs, now())) this.#changed();
        return { ok: true };
      case 'open-gate':
        return { ok: this.#armed.openGate(call.uid, call.mountMsMax, now()) };
      case 'close-gate': {
        const inTime = this.#armed.closeGate(call.uid, now());
        if (!inTime) await this.#look();
        return { ok: inTime };
      }
      case 'disarm':
        this.#armed.disarm(call.uid);
        this.#changed();
        return { ok: true };
      case 'list':
        return { ok: true, mounts: [...this.#armed.list()] };
    }
  }

  /** Aborts everything that is due, side by side, and plans the next look. Never rejects. */
  async #look(): Promise<void> {
    const { now } = this.#options;
    this.#cancelLook();
    await Promise.all(this.#armed.due(now()).map((mount) => this.#abort(mount.uid, mount.target)));
    if (this.#closed) return;
    const nextMs = this.#armed.nextLookMs(now());
    this.#cancelLook();
    if (nextMs !== undefined)
      this.#cancelLook = this.#options.clock.after(Math.max(1, nextMs - now()), () => {
        this.#lookNow();
      });
  }

  #lookNow(): void {
    this.#look().catch((error: unknown) => {
      this.#options.log.error('guardian could not look', { error });
    });
  }

  async #abort(uid: Parameters<ArmedMounts['markAborted']>[0], target: string): Promise<void> {
    const { abort, isMounted, now, log } = this.#options;
    try {
      if (!(await isMounted(target))) return;
      log.error('deadline passed, mount is aborted', { uid, target });
      await abort(target);
      this.#armed.markAborted(uid, now());
      this.#changed();
    } catch (error) {
      // Looked at again in a moment, for as long as it is armed.
      log.error('mount could not be aborted', { uid, target, error });
    }
  }

  #changed(): void {
    const path = join(this.#options.folder, ARMED_FILE);
    writeFileSync(`${path}.tmp`, JSON.stringify(this.#armed.list()), { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
    const { now, clock } = this.#options;
    const nextMs = this.#armed.nextLookMs(now());
    this.#cancelLook();
    if (nextMs !== undefined && !this.#closed)
      this.#cancelLook = clock.after(Math.max(1, nextMs - now()), () => {
        this.#lookNow();
      });
    this.#watchIdle();
  }

  #watchIdle(): void {
    this.#cancelIdle();
    if (this.#closed || this.#armed.size > 0 || this.#sockets.size > 0) return;
    this.#cancelIdle = this.#options.clock.after(IDLE_MS, () => {
      this.onIdle();
    });
  }
}

export function socketPath(folder: string): string {
  return join(folder, 'guardian.sock');
}

function readArmed(options: GuardianServerOptions): readonly ArmedMount[] {
  let json: string;
  try {
    json = readFileSync(join(options.folder, ARMED_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const mounts = parseArmed(json, options.log);
  // A deadline further away than any session is of an earlier start of the machine, whose mounts are gone.
  return mounts.filter((mount) => mount.deadlineMs - options.now() < DEADLINE_AHEAD_MAX_MS);
}

/**
 * Nothing, where it is no list: a kill cannot tear the file, but the end of the machine can, and its mounts ended with it. Should it have been
 * damaged otherwise, the agent arms again what is not in the list; a guardian that does not start would guard nothing, for ever.
 */
function parseArmed(json: string, log: Logger): readonly ArmedMount[] {
  try {
    return armedFile.parse(JSON.parse(json));
  } catch (error) {
    log.error('list of armed mounts is unreadable and begun anew', { error });
    return [];
  }
}

const ARMED_FILE = 'armed.json';
/** With nothing to guard there is nothing to wait for; an agent that comes back starts another. */
const IDLE_MS = 1_000;
/** Sessions live for 10 minutes at most. */
const DEADLINE_AHEAD_MAX_MS = 600_000;
