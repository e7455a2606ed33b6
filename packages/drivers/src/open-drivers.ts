import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, type Clock, type Logger, type Random } from '@volplane/base';
import { systemMounts, systemToolRunner } from '@volplane/host';
import type { VolumeDriver } from '@volplane/ports';
import { parseDriverEntries, type DriverEntry } from './driver-config.js';
import type { DriverContext } from './driver-context.js';
import { LocalDriver } from './local/local-driver.js';
import { mountConfigFault } from './mount/mount-config.js';
import { MountDriver } from './mount/mount-driver.js';
import { SharedDriver } from './shared/shared-driver.js';

export interface OpenDriversOptions {
  /** JSON file with the list of drivers; empty = only `local`. */
  readonly file: string;
  /** Of the agent: local volumes and mount points live below it, unless an entry says otherwise. */
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * Every driver of this node; `local` is always one of them.
 *
 * @throws AppError INVALID_ARGUMENT naming the entries with faults
 */
export async function openDrivers(options: OpenDriversOptions): Promise<readonly VolumeDriver[]> {
  const entries = options.file === '' ? [] : parseDriverEntries(await readFile(options.file, 'utf8'), options.file);
  const context = systemContext(options);
  const drivers = entries.map((entry) => openDriver(entry, context, options.dataDir));
  if (entries.some((entry) => entry.name === 'local')) return drivers;
  return [new LocalDriver(context, { name: 'local', root: options.dataDir }), ...drivers];
}

function openDriver(entry: DriverEntry, context: DriverContext, dataDir: string): VolumeDriver {
  switch (entry.kind) {
    case 'local':
      return new LocalDriver(context, entry);
    case 'shared':
      return new SharedDriver(context, entry);
    case 'mount': {
      const config = { ...entry, mountRoot: entry.mountRoot ?? join(dataDir, 'mounts', entry.name) };
      const fault = mountConfigFault(config);
      if (fault !== undefined) throw new AppError('INVALID_ARGUMENT', `driver ${entry.name}: ${fault}`, { driver: entry.name });
      return new MountDriver(context, config);
    }
  }
}

function systemContext(options: OpenDriversOptions): DriverContext {
  const { clock, random, log } = options;
  const run = systemToolRunner(clock);
  return {
    mounts: systemMounts(clock, run),
    run,
    clock,
    random,
    log,
    lookup: async (host) => (await lookup(host)).address,
    mayMount: process.getuid?.() === 0,
    onStep: () => Promise.resolve(),
  };
}
