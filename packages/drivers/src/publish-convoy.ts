import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, syncFile } from '@volplane/host';
import { MARKER_FILE } from './volume-marker.js';

/** A staged folder that is to appear at its place. */
export interface Departure {
  readonly staged: string;
  readonly place: string;
  /** Awaited when everything in the staged folder is durable. */
  readonly beforeRename: () => Promise<void>;
  readonly afterRename: () => Promise<void>;
}

/**
 * Makes staged folders durable and puts them into their places, all that wait together: their syncs run at once, and one sync
 * of the root serves all of them.
 *
 * Every sync makes a journaling file system write its journal, and what changes a folder meanwhile waits for that. Folders that
 * go one by one wait for each other's syncs at every step: at 64 creates at once that was nine tenths of their time.
 */
export class PublishConvoy {
  readonly #root: string;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(root: string) {
    this.#root = root;
  }

  /** @throws Node's own error; the rename's, when something is at the place */
  async publish(departure: Departure): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ departure, resolve, reject });
      if (!this.#running) this.#run().catch(reject);
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#waiting.length > 0) {
        const convoy = this.#waiting.splice(0, CONVOY_MAX);
        // One convoy at a time: who comes meanwhile makes the next.
        await this.#travel(convoy);
      }
    } finally {
      this.#running = false;
    }
  }

  async #travel(convoy: readonly Waiting[]): Promise<void> {
    const durable = await this.#each(convoy, async ({ staged }) => {
      await Promise.all([syncFile(join(staged, MARKER_FILE)), syncDirectory(staged)]);
    });
    const moved = await this.#each(durable, async ({ staged, place, beforeRename, afterRename }) => {
      await beforeRename();
      await rename(staged, place);
      await afterRename();
    });
    if (moved.length === 0) return;
    try {
      await syncDirectory(this.#root);
      for (const { resolve } of moved) resolve();
    } catch (error) {
      for (const { reject } of moved) reject(error as Error);
    }
  }

  /** @returns those that did not fail; the others have been told */
  async #each(convoy: readonly Waiting[], work: (departure: Departure) => Promise<void>): Promise<readonly Waiting[]> {
    const ended = await Promise.all(
      convoy.map(async (one) => {
        try {
          await work(one.departure);
          return [one];
        } catch (error) {
          one.reject(error as Error);
          return [];
        }
      }),
    );
    return ended.flat();
  }
}

interface Waiting {
  readonly departure: Departure;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** More syncs at once than threads for them only wait in this process. */
const CONVOY_MAX = 64;
