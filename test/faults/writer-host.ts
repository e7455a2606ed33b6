import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@volplane/testkit';
import type { UseEvent } from './history.js';
import type { Place, RecordHead, WriterLine, WriterOrder } from './writer-lines.js';

const MAIN = fileURLToPath(new URL('writer-process.ts', import.meta.url));

/** A writer as it is seen from outside: what was acknowledged so far, and how it ended. */
interface Use {
  acked: number;
  firstAckMs?: number;
  lastStartMs?: number;
  end?: string;
}

/** The writers of one node, in a process that can be killed or stopped with them. Started again by the next use. */
export class WriterHost {
  readonly #uses = new Map<string, Use>();
  #child: ChildProcess | undefined;

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Begins to write. */
  start(head: RecordHead, place: Place): void {
    this.#uses.set(head.writer, { acked: 0 });
    this.#send({ order: 'start', head, place });
  }

  acked(writer: string): number {
    return this.#uses.get(writer)?.acked ?? 0;
  }

  ended(writer: string): boolean {
    return this.#uses.get(writer)?.end !== undefined;
  }

  /** Ends the writer if it has not ended yet. @returns its whole life */
  async stop(head: RecordHead, volume: string): Promise<UseEvent> {
    const use = this.#uses.get(head.writer);
    if (use === undefined) throw new Error(`${head.writer} was not started`);
    if (use.end === undefined) this.#send({ order: 'stop', writer: head.writer });
    await waitFor(() => use.end !== undefined, { what: `writer ${head.writer} to end`, timeoutMs: 120_000 });
    this.#uses.delete(head.writer);
    const { end = '', ...times } = use;
    return { type: 'use', ...head, volume, ...times, end };
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Kills it and waits until it is gone. */
  async close(): Promise<void> {
    const child = this.#child;
    this.kill();
    await waitFor(() => this.#child === undefined || this.#child !== child, { what: 'the writers to be gone' });
  }

  #send(order: WriterOrder): void {
    const child = this.#child ?? this.#start();
    child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, ['--import=tsx', '--conditions=@volplane/source', MAIN], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    // Orders to a process that has just been killed: its end says so.
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#hear(JSON.parse(line) as WriterLine); // written by the writer process
    });
    child.once('close', () => {
      if (this.#child === child) this.#child = undefined;
      for (const use of this.#uses.values()) use.end ??= 'killed';
    });
    return child;
  }

  #hear(line: WriterLine): void {
    const use = this.#uses.get(line.writer);
    if (use === undefined) return;
    if ('ended' in line) use.end = line.ended;
    else {
      use.acked = line.acked;
      use.firstAckMs ??= line.endMs;
      use.lastStartMs = line.startMs;
    }
  }
}
