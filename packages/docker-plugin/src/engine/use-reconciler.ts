import { sleep, type Clock, type Logger, type Service } from '@volplane/base';
import type { EngineContainer } from './engine-client.js';
import { findStaleUses, type VolumeUses } from './stale-uses.js';

/** One plugin's uses, as the reconciler reads and ends them. */
export interface ReconciledPlugin {
  /** The name by which engines know it. */
  readonly name: string;
  /** Learns what the node holds since before this process. Repeated until it succeeds. @throws AppError while nobody can be asked */
  learn(signal: AbortSignal): Promise<void>;
  uses(): readonly VolumeUses[];
  /** Where the volume is mounted on this node. */
  path(volume: string, signal: AbortSignal): Promise<string | undefined>;
  /** Takes uses out that nobody has. */
  end(volume: string, members: readonly string[]): void;
}

export interface UseReconcilerOptions {
  readonly plugins: readonly ReconciledPlugin[];
  /** Every engine that uses the plugin folder: only together they know what runs. */
  readonly engines: readonly { listContainers(signal?: AbortSignal): Promise<readonly EngineContainer[]> }[];
  readonly isMountedElsewhere: (path: string) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default {@link GRACE_MS}. */
  readonly graceMs?: number;
  /** Default {@link INTERVAL_MS}. */
  readonly intervalMs?: number;
}

/**
 * Ends uses that no engine has any more: of containers that ended while the agent was away, of engines that crashed, and of those
 * that never unmount what they restored.
 *
 * A use ends only when two looks in a row find no container that may have the volume, the kernel shows it mounted nowhere else, and it
 * is older than any start can take. An engine that does not answer is an engine that may use everything.
 */
export class UseReconciler implements Service {
  readonly name = 'docker use reconciler';
  readonly #options: UseReconcilerOptions;
  readonly #learnt = new Set<ReconciledPlugin>();
  /** What the last look found stale: plugin, volume and members in one text. */
  #suspects: ReadonlySet<string> = new Set();

  constructor(options: UseReconcilerOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, intervalMs = INTERVAL_MS } = this.#options;
    let isFailing = false;
    while (!signal.aborted) {
      try {
        await this.look(signal);
        if (isFailing) log.info('uses of volumes are compared with the containers that run again');
        isFailing = false;
      } catch (error) {
        // Told once: until it is mended, a use that an engine forgot stays.
        if (!isFailing && !signal.aborted) log.warn('uses of volumes cannot be compared with the containers that run', { error });
        isFailing = true;
      }
      await sleep(clock, intervalMs, signal).catch(() => undefined);
    }
  }

  /** One look. @throws AppError while an engine or the cluster cannot be asked; nothing is ended then */
  async look(signal: AbortSignal): Promise<void> {
    const { plugins, engines, graceMs = GRACE_MS } = this.#options;
    for (const plugin of plugins) {
      // One after the other: they ask the same cluster.
      if (!this.#learnt.has(plugin)) await plugin.learn(signal);
      this.#learnt.add(plugin);
    }
    if (plugins.every((plugin) => plugin.uses().length === 0)) return;
    const containers = (await Promise.all(engines.map((engine) => engine.listContainers(signal)))).flat();
    const suspects = new Set<string>();
    for (const plugin of plugins) {
      for (const { volume, members } of findStaleUses(plugin.uses(), { containers, drivers: [plugin.name] }, graceMs)) {
        const suspect = JSON.stringify([plugin.name, volume, members]);
        if (!this.#suspects.has(suspect)) suspects.add(suspect);
        else if (await this.#isUsed(plugin, volume, signal))
          this.#options.log.debug('volume without a container is mounted elsewhere', { volume });
        else plugin.end(volume, members);
      }
    }
    this.#suspects = suspects;
  }

  async #isUsed(plugin: ReconciledPlugin, volume: string, signal: AbortSignal): Promise<boolean> {
    const path = await plugin.path(volume, signal);
    return path !== undefined && (await this.#options.isMountedElsewhere(path));
  }
}

/** Longer than the longest mount that an engine waits for (120 s), so that no container that is being started is missed. */
const GRACE_MS = 150_000;

/** One list of containers each; a use that is left over is found within two of these and the grace. */
const INTERVAL_MS = 60_000;
