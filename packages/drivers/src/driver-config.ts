import { AppError } from '@volplane/base';
import { ACCESS_MODES, quote, type AccessMode } from '@volplane/domain';
import { z } from 'zod';
import { fenceConfigFault, fenceFields } from './fence/fence-config.js';
import { mountConfigFault, type MountDriverConfig } from './mount/mount-config.js';
import { cifsPreset, nfsPreset } from './mount/mount-presets.js';
import { parseSizeBytes } from './size-option.js';

const absolutePath = z.string().startsWith('/', 'is not an absolute path');
const accessModes = z.array(z.enum(ACCESS_MODES)).min(1);
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'is not a driver name: 1 to 63 of [a-z0-9._-], a letter or digit first');
/** A week: long enough to notice a mistake, short enough to get the room back. */
const trashKeepMs = z
  .number()
  .int()
  .min(0)
  .default(7 * 24 * 3_600_000);

const MANY_NODES: readonly AccessMode[] = [
  'multi-node-multi-writer',
  'single-node-writer',
  'single-node-reader-only',
  'multi-node-reader-only',
  'multi-node-single-writer',
];
const ONE_NODE: readonly AccessMode[] = ['single-node-writer', 'single-node-reader-only'];

/** How a root on shared storage is told from an ordinary folder of this node; see RootGuardConfig. */
const guard = {
  mountPoint: absolutePath.exactOptional(),
  rootId: z.string().min(1).max(200).exactOptional(),
  /** Said aloud, because a root that is not mounted then takes volumes that exist on this node only. */
  unguarded: z.boolean().default(false),
};
const GUARD_FAULT = 'needs mountPoint or rootId, so that a root that is not mounted is noticed; or unguarded: true';

interface Guarded {
  readonly mountPoint?: string;
  readonly rootId?: string;
  readonly unguarded: boolean;
}

function isGuarded(entry: Guarded): boolean {
  return entry.unguarded || entry.mountPoint !== undefined || entry.rootId !== undefined;
}

const localEntry = z.strictObject({ kind: z.literal('local'), name, root: absolutePath });

const sharedEntry = z
  .strictObject({
    kind: z.literal('shared'),
    name,
    root: absolutePath,
    ...guard,
    accessModes: accessModes.default([...MANY_NODES]),
    trashKeepMs,
    ownMounts: z.boolean().default(false),
    ...fenceFields,
  })
  .refine(isGuarded, GUARD_FAULT);

const sizeBytes = z.string().transform((text, context) => {
  const bytes = parseSizeBytes(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  context.addIssue({ code: 'custom', message: 'is not a size such as 10g' });
  return z.NEVER;
});

const imageEntry = z
  .strictObject({
    kind: z.literal('image'),
    name,
    root: absolutePath,
    ...guard,
    scope: z.enum(['local', 'global']).default('local'),
    mountRoot: absolutePath.exactOptional(),
    defaultSize: sizeBytes.default(10 * 1024 ** 3),
    fs: z.enum(['ext4', 'xfs']).default('ext4'),
    preallocate: z.boolean().default(false),
    trashKeepMs: trashKeepMs.default(0),
    ...fenceFields,
  })
  .refine((entry) => entry.scope === 'local' || isGuarded(entry), GUARD_FAULT);

/** What every kind of {@link MountDriver} takes. */
const mounted = {
  name,
  layout: z.enum(['subfolder', 'whole']).default('subfolder'),
  mountRoot: absolutePath.exactOptional(),
  options: z.array(z.string()).default([]),
  volumeOptions: z.record(z.string(), z.string()).default({}),
  accessModes: accessModes.exactOptional(),
  trashKeepMs,
  adopt: z.boolean().default(false),
  ...fenceFields,
};

const mountEntry = z.strictObject({
  kind: z.literal('mount'),
  ...mounted,
  type: z.string().min(1),
  kernelType: z.string().min(1).exactOptional(),
  source: z.string().min(1),
  credentialsFile: absolutePath.exactOptional(),
  credentialsOption: z.string().min(1).exactOptional(),
});

const nfsEntry = z.strictObject({
  kind: z.literal('nfs'),
  ...mounted,
  host: z.string().min(1),
  path: absolutePath,
  version: z.string().min(1).exactOptional(),
});

const cifsEntry = z.strictObject({
  kind: z.literal('cifs'),
  ...mounted,
  host: z.string().min(1),
  share: z.string().min(1),
  version: z.string().min(1).exactOptional(),
  credentialsFile: absolutePath,
});

const pluginEntry = z.strictObject({
  kind: z.literal('plugin'),
  name,
  address: z.string().min(1),
  scope: z.enum(['local', 'global']),
  accessModes: accessModes.exactOptional(),
  mountRoot: absolutePath.exactOptional(),
  ...fenceFields,
});

const driverEntry = z.discriminatedUnion('kind', [localEntry, sharedEntry, imageEntry, mountEntry, nfsEntry, cifsEntry, pluginEntry], {
  error: () => 'is not one of local, shared, image, mount, nfs, cifs, plugin',
});
const driverEntries = z.array(z.unknown()).max(63);

export type DriverEntry = z.infer<typeof driverEntry>;

/**
 * The list of a node's drivers, as in its JSON file.
 *
 * @throws AppError INVALID_ARGUMENT naming every entry with a fault, and its field
 */
export function parseDriverEntries(json: string, file: string): readonly DriverEntry[] {
  const faults: string[] = [];
  const entries: DriverEntry[] = [];
  for (const [index, value] of readList(json, file).entries()) {
    const parsed = driverEntry.safeParse(value);
    const faultsOf = (texts: readonly string[]): void => {
      faults.push(...texts.map((text) => `${entryLabel(value, index)}: ${text}`));
    };
    if (!parsed.success) faultsOf(parsed.error.issues.map((issue) => `${issue.path.join('.') || 'it'} ${issue.message}`));
    else {
      entries.push(parsed.data);
      const fault = entryFault(parsed.data);
      if (fault !== undefined) faultsOf([fault]);
    }
  }
  for (const [index, entry] of entries.entries()) {
    if (entries.findIndex((other) => other.name === entry.name) !== index) faults.push(`driver "${entry.name}": the name is used twice`);
    if (entry.name === 'local' && entry.kind !== 'local')
      faults.push('driver "local": the name belongs to the kind local, which every node has');
  }
  if (faults.length > 0) throw new AppError('INVALID_ARGUMENT', `the drivers in ${file} are not usable: ${faults.join('; ')}`, { file });
  return entries;
}

export type MountEntry = Extract<DriverEntry, { kind: 'mount' | 'nfs' | 'cifs' }>;

export function isMountEntry(entry: DriverEntry): entry is MountEntry {
  return entry.kind === 'mount' || entry.kind === 'nfs' || entry.kind === 'cifs';
}

/** One entry of the three kinds that mount(8) serves. @param mountRoot - where its volumes are mounted unless it says so itself */
export function toMountConfig(entry: MountEntry, mountRoot: string): MountDriverConfig {
  const common = { ...entry, mountRoot: entry.mountRoot ?? mountRoot };
  const words = wordsOf(entry);
  return { ...common, ...words, accessModes: entry.accessModes ?? defaultAccessModes(words.type) };
}

function wordsOf(entry: MountEntry): Pick<MountDriverConfig, 'type' | 'source' | 'options'> {
  switch (entry.kind) {
    case 'mount':
      return { type: entry.type, source: entry.source, options: entry.options };
    case 'nfs':
      return nfsPreset(entry);
    case 'cifs':
      return cifsPreset(entry);
  }
}

/** A file system of blocks that two nodes mount at once is destroyed. */
function defaultAccessModes(type: string): readonly AccessMode[] {
  return /^(ext[234]|xfs|btrfs|f2fs|ntfs3?|vfat|exfat)$/.test(type) ? ONE_NODE : MANY_NODES;
}

/** What is wrong with an entry beyond the shape of its fields. */
function entryFault(entry: DriverEntry): string | undefined {
  const fault = isMountEntry(entry) ? mountConfigFault(toMountConfig(entry, '/')) : undefined;
  if (fault !== undefined || entry.kind === 'local') return fault;
  return fenceConfigFault({ scope: 'global', ...entry });
}

/** By its name where it has one: positions change. */
function entryLabel(value: unknown, index: number): string {
  const named = z.object({ name: z.string() }).safeParse(value);
  return named.success ? `driver ${quote(named.data.name)}` : `entry ${String(index + 1)}`;
}

function readList(json: string, file: string): readonly unknown[] {
  try {
    return driverEntries.parse(JSON.parse(json));
  } catch (error) {
    throw new AppError('INVALID_ARGUMENT', `${file} is not a JSON list of at most 63 drivers`, { file }, error);
  }
}
