import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { findMountsBelow } from '@volplane/host';
import { DATA_FOLDER } from './data-folder.js';
import type { DriverContext } from './driver-context.js';
import type { FileCall } from './files/file-call.js';
import { toError } from './files/stepwise.js';
import { hasCode } from './fs-fault.js';
import { MARKER_FILE } from './volume-marker.js';

/**
 * `<root>/.trash`: what was removed, each entry named by the time of its removal. Deleting is the second step, so that a
 * crash in it brings nothing back, and so that there can be time to regret.
 */
export class FolderTrash {
  readonly folder: string;
  readonly #context: DriverContext;
  readonly #root: string;
  readonly #keepMs: number;
  #purging = false;
  #nextPurgeMs = 0;

  constructor(context: DriverContext, options: { readonly root: string; readonly keepMs: number }) {
    this.#context = context;
    this.#root = options.root;
    this.folder = join(options.root, '.trash');
    this.#keepMs = options.keepMs;
  }

  /** A path in the trash for something that is removed now. */
  entry(label: string): string {
    return join(this.folder, `${String(this.#context.clock.wallMs())}-${label}-${this.#context.random.hex(8)}`);
  }

  /** What follows a remove: deletes the entry, if there still is one, unless it is to be kept, and what has been kept long enough. Failures are logged. */
  async settle(taken: string | undefined, signal: AbortSignal): Promise<void> {
    if (taken !== undefined && this.#keepMs === 0) await this.destroy(taken, signal);
    // One look at the whole trash serves the removes of a minute.
    const nowMs = this.#context.clock.monotonicMs();
    if (this.#purging || nowMs < this.#nextPurgeMs) return;
    this.#nextPurgeMs = nowMs + PURGE_INTERVAL_MS;
    await this.purge(Math.max(this.#keepMs, LEFTOVER_MS), signal);
  }

  /** Deletes what was removed more than `olderThanMs` ago, at most {@link PURGE_MAX} entries. Failures are logged; the entry stays. */
  async purge(olderThanMs: number, signal: AbortSignal): Promise<void> {
    this.#purging = true;
    try {
      const oldestMs = this.#context.clock.wallMs() - olderThanMs;
      const names = (await this.names(this.folder)).filter((name) => Number.parseInt(name, 10) <= oldestMs);
      for (const name of names.slice(0, PURGE_MAX)) {
        // One delete at a time is enough work for one disk.
        await this.destroy(join(this.folder, name), signal);
      }
    } finally {
      this.#purging = false;
    }
  }

  /** The entries of a folder; none when it does not exist or cannot be read, which is logged. */
  async names(folder: string): Promise<readonly string[]> {
    try {
      return await readdir(folder);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) this.#context.log.warn('trash not read', { folder, error });
      return [];
    }
  }

  /** Deletes a folder whose content users made, never following a link and never crossing into another file system. */
  async destroy(path: string, signal: AbortSignal): Promise<void> {
    try {
      const mounted = findMountsBelow(await this.#context.mounts.table(), path);
      if (mounted.length > 0) throw new AppError('DRIVER_FAILED', `${mounted[0]?.target ?? path} is still mounted`);
      if (await this.#destroyEmpty(path)) return;
      // rm(1) walks by descriptors: a folder that is swapped for a link while it runs leads nowhere.
      const outcome = await this.#context.run({
        file: 'rm',
        args: ['-rf', '--one-file-system', '--', path],
        timeoutMs: DELETE_MS_MAX,
        signal,
        purpose: `delete of ${path}`,
      });
      if (outcome.code !== 0) throw new AppError('DRIVER_FAILED', outcome.stderr);
    } catch (error) {
      this.#context.log.warn('removed volume not deleted yet', { path, error });
    }
  }

  /** @returns false when there is more in it */
  async #destroyEmpty(path: string): Promise<boolean> {
    const { fault } = await this.#context.files(this.#root).run([emptyFolderCalls(path)]);
    if (fault === undefined) return true;
    if (HOLDS_MORE.has(fault.code)) return false;
    throw toError(fault);
  }
}

/** The quick way to delete the folder of a volume that was never written to. A fault: there is more in it. */
export function emptyFolderCalls(path: string): readonly FileCall[] {
  return [
    { do: 'remove-folder', path: join(path, DATA_FOLDER) },
    { do: 'remove-file', path: join(path, MARKER_FILE) },
    { do: 'remove-folder', path },
  ];
}

const HOLDS_MORE: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR']);
const PURGE_INTERVAL_MS = 60_000;
/** A remove does not wait for more than a few old entries. */
const PURGE_MAX = 64;
/** Millions of small files take minutes; the agent's own patience, the signal, usually ends earlier. */
const DELETE_MS_MAX = 10 * 60_000;
/** Longer than any delete runs: what is older was left by one that was cut short. */
const LEFTOVER_MS = 2 * DELETE_MS_MAX;
