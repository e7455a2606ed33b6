import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, errorText, type Clock, type Logger, type Random } from '@volplane/base';
import { systemMounts, systemToolRunner, type ProgramRecorder } from '@volplane/host';
import type { VolumeDriver } from '@volplane/ports';
import { parseDriverEntries, toMountConfig, type DriverEntry } from './driver-config.js';
import { noSteps, type DriverContext } from './driver-context.js';
import { withFence } from './fence/with-fence.js';
import type { FileRunner } from './files/file-call.js';
import { FileThreads } from './files/file-threads.js';
import { ImageDriver } from './image/image-driver.js';
import { LocalDriver } from './local/local-driver.js';
import { MountDriver } from './mount/mount-driver.js';
import { HostedPlugins } from './plugin/hosted-plugins.js';
import { PluginClient } from './plugin/plugin-client.js';
import { parsePluginUrl, type PluginFolders } from './plugin/plugin-discovery.js';
import { PluginDriver } from './plugin/plugin-driver.js';
import { SharedDriver } from './shared/shared-driver.js';

export interface OpenDriversOptions {
  /** JSON file with the list of drivers; empty = only `local`. */
  readonly file: string;
  /** The name of this node. */
  readonly node: string;
  /** Of the agent: local volumes and mount points live below it, unless an entry says otherwise. */
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Remembers the programs that run for the drivers. */
  readonly programs: ProgramRecorder;
}

/**
 * Every driver of this node; `local` is always one of them.
 *
 * @throws AppError INVALID_ARGUMENT naming the entries with faults
 */
export async function openDrivers(options: OpenDriversOptions): Promise<readonly VolumeDriver[]> {
  const entries = await readDriverEntries(options.file);
  const context = systemContext(options);
  const drivers = entries.map((entry) => {
    const driver = openDriver(entry, context, options.dataDir);
    if (entry.kind === 'local' || entry.fence === undefined) return driver;
    const { fence, admit } = entry;
    return withFence(driver, { fence, ...(admit === undefined ? {} : { admit }) }, { run: context.run, node: options.node });
  });
  if (entries.some((entry) => entry.name === 'local')) return drivers;
  return [new LocalDriver(context, { name: 'local', root: options.dataDir }), ...drivers];
}

/** @returns none without a file. @throws AppError INVALID_ARGUMENT naming the entries with faults, or the file that cannot be read */
export async function readDriverEntries(file: string): Promise<readonly DriverEntry[]> {
  if (file === '') return [];
  let json: string;
  try {
    json = await readFile(file, 'utf8');
  } catch (error) {
    throw new AppError('INVALID_ARGUMENT', `the file of drivers ${file} cannot be read: ${errorText(error)}`, { file }, error);
  }
  return parseDriverEntries(json, file);
}

/**
 * Looks once for volume plugins of others in the folders where engines look, so that the ones that run become drivers.
 *
 * @returns the drivers, and the watch over their plugins, to be run
 */
export async function openHostedPlugins(
  options: Omit<OpenDriversOptions, 'file' | 'node'> & { readonly folders: PluginFolders; readonly exclude: readonly string[] },
): Promise<{ readonly drivers: readonly VolumeDriver[]; readonly watch: HostedPlugins }> {
  const { dataDir, exclude, folders, log } = options;
  const drivers: VolumeDriver[] = [];
  let started = false;
  const watch = new HostedPlugins({
    context: systemContext(options),
    root: join(dataDir, 'plugins'),
    folders,
    configured: [],
    exclude,
    onDriver: (driver) => {
      drivers.push(driver);
      if (started) log.warn('a plugin came up after the agent; restart the agent to use it as a driver', { driver: driver.info.name });
    },
  });
  await watch.look(new AbortController().signal);
  started = true;
  return { drivers: [...drivers], watch };
}

function openDriver(entry: DriverEntry, context: DriverContext, dataDir: string): VolumeDriver {
  switch (entry.kind) {
    case 'local':
      return new LocalDriver(context, entry);
    case 'shared':
      return new SharedDriver(context, entry);
    case 'image': {
      const { fs, defaultSize, mountRoot = join(dataDir, 'mounts', entry.name), ...config } = entry;
      return new ImageDriver(context, { ...config, fsType: fs, defaultSizeBytes: defaultSize, mountRoot });
    }
    case 'mount':
    case 'nfs':
    case 'cifs':
      return new MountDriver(context, toMountConfig(entry, join(dataDir, 'mounts', entry.name)));
    case 'plugin': {
      const { name, scope, accessModes, mountRoot = join(dataDir, 'plugins', name) } = entry;
      const client = new PluginClient({ name, address: parsePluginUrl(entry.address), clock: context.clock, random: context.random });
      return new PluginDriver(context, client, { name, root: mountRoot, scope, ...(accessModes !== undefined && { accessModes }) });
    }
  }
}

function systemContext(options: Pick<OpenDriversOptions, 'clock' | 'random' | 'log' | 'programs'>): DriverContext {
  const { clock, random, log, programs } = options;
  const run = systemToolRunner(clock, { programs });
  return {
    mounts: systemMounts(clock, run),
    run,
    clock,
    random,
    log,
    lookup: async (host) => (await lookup(host)).address,
    mayMount: process.getuid?.() === 0,
    files: filesByRoot(),
    onStep: noSteps,
  };
}

/** As many as there are entries in the drivers file. */
function filesByRoot(): DriverContext['files'] {
  const threads = new Map<string, FileRunner>();
  return (root) => {
    const thread = threads.get(root) ?? new FileThreads();
    threads.set(root, thread);
    return thread;
  };
}
