import { writeSync } from 'node:fs';
import type { Clock } from '@volplane/base';

/**
 * Writes lines to a descriptor, standard error, without ever waiting for who reads it, and without losing them at the end of the process.
 *
 * A pipe or a socket (systemd's) whose reader is behind takes no more. Node's own stream then keeps lines that `process.exit` forgets,
 * as many as there are, and an end of the reader ends the process. Here what waits is bounded, {@link StderrLines.flush} writes it at the exit, and
 * what nobody can read any more is dropped.
 */
export class StderrLines {
  readonly #fd: number;
  readonly #clock: Clock;
  readonly #waitingBytesMax: number;
  /** What the descriptor has not taken yet; the first may be the rest of a line. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  /** Told how many lines were lost, when it can be read again. */
  onLost: (count: number) => void = () => undefined;

  /** @param options.fd - does not block, or always takes everything at once, as files do */
  constructor(options: { readonly fd: number; readonly clock: Clock; readonly waitingBytesMax?: number }) {
    this.#fd = options.fd;
    this.#clock = options.clock;
    this.#waitingBytesMax = options.waitingBytesMax ?? WAITING_BYTES_MAX;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    const isBehind = this.#waiting.length > 0;
    if (isBehind && this.#waitingBytes + bytes.length > this.#waitingBytesMax) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (isBehind) return;
    this.#put();
    this.#putLater();
  }

  /** Writes what waits, as long as somebody reads it, within {@link FLUSH_MS}. Blocks the thread: for the exit. */
  flush(): void {
    const beganMs = this.#clock.monotonicMs();
    let readMs = beganMs;
    for (;;) {
      const beforeBytes = this.#waitingBytes;
      this.#put();
      const nowMs = this.#clock.monotonicMs();
      if (this.#waitingBytes < beforeBytes) readMs = nowMs;
      if (this.#waiting.length === 0 || nowMs >= readMs + UNREAD_MS || nowMs >= beganMs + FLUSH_MS) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }

  /** As much as is taken now. */
  #put(): void {
    for (let [bytes] = this.#waiting; bytes !== undefined; [bytes] = this.#waiting) {
      const count = this.#taken(bytes);
      this.#waitingBytes -= count;
      if (count < bytes.length) {
        this.#waiting[0] = bytes.subarray(count);
        return;
      }
      this.#waiting.shift();
    }
  }

  #taken(bytes: Buffer): number {
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
      return written;
    } catch (error) {
      const isFull = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      // Closed, or a full disk: there is nobody to tell.
      return isFull ? written : bytes.length;
    }
  }

  /** The kernel tells when there is room to libuv only; a look now and then costs nothing beside a reader that is behind. */
  #putLater(): void {
    if (this.#waiting.length === 0) return;
    this.#clock.after(RETRY_MS, () => {
      this.#put();
      this.#putLater();
      if (this.#waiting.length > 0 || this.#lost === 0) return;
      const lost = this.#lost;
      this.#lost = 0;
      this.onLost(lost);
    });
  }
}

/** Minutes of a busy process; beyond it the reader hangs. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const RETRY_MS = 20;
/** A process that is to end is waited for: by the service manager, and by who wants to start it anew. */
const FLUSH_MS = 10_000;
/** Who reads nothing for so long at the exit hangs. */
const UNREAD_MS = 2_000;
