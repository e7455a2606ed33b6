import { AppError } from '@volplane/base';
import { ACCESS_MODES } from '@volplane/domain';
import { z } from 'zod';

const absolutePath = z.string().startsWith('/', 'is not an absolute path');
const accessModes = z.array(z.enum(ACCESS_MODES)).min(1);
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'is not a driver name: 1 to 63 of [a-z0-9._-], a letter or digit first');
/** A week: long enough to notice a mistake, short enough to get the room back. */
const trashKeepMs = z
  .number()
  .int()
  .min(0)
  .default(7 * 24 * 3_600_000);

const localEntry = z.strictObject({ kind: z.literal('local'), name, root: absolutePath });

const sharedEntry = z.strictObject({
  kind: z.literal('shared'),
  name,
  root: absolutePath,
  mountPoint: absolutePath.exactOptional(),
  rootId: z.string().min(1).max(200).exactOptional(),
  accessModes: accessModes.default([
    'multi-node-multi-writer',
    'single-node-writer',
    'single-node-reader-only',
    'multi-node-reader-only',
    'multi-node-single-writer',
  ]),
  trashKeepMs,
  ownMounts: z.boolean().default(false),
});

const mountEntry = z.strictObject({
  kind: z.literal('mount'),
  name,
  type: z.string().min(1),
  kernelType: z.string().min(1).exactOptional(),
  source: z.string().min(1),
  options: z.array(z.string()).default([]),
  layout: z.enum(['subfolder', 'whole']).default('subfolder'),
  mountRoot: absolutePath.exactOptional(),
  volumeOptions: z.record(z.string(), z.string()).default({}),
  credentialsFile: absolutePath.exactOptional(),
  credentialsOption: z.string().min(1).exactOptional(),
  accessModes: accessModes.default([
    'multi-node-multi-writer',
    'single-node-writer',
    'single-node-reader-only',
    'multi-node-reader-only',
    'multi-node-single-writer',
  ]),
  trashKeepMs,
  adopt: z.boolean().default(false),
});

const pluginEntry = z.strictObject({
  kind: z.literal('plugin'),
  name,
  address: z.string().min(1),
  scope: z.enum(['local', 'global']),
  accessModes: accessModes.exactOptional(),
  mountRoot: absolutePath.exactOptional(),
});

const driverEntry = z.discriminatedUnion('kind', [localEntry, sharedEntry, mountEntry, pluginEntry]);
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
  for (const [index, entry] of readList(json, file).entries()) {
    const parsed = driverEntry.safeParse(entry);
    if (parsed.success) entries.push(parsed.data);
    else
      for (const issue of parsed.error.issues)
        faults.push(`entry ${String(index + 1)}: ${issue.path.join('.') || 'the whole'}: ${issue.message}`);
  }
  for (const [index, entry] of entries.entries()) {
    if (entries.findIndex((other) => other.name === entry.name) !== index) faults.push(`the name ${entry.name} is used twice`);
  }
  if (faults.length > 0) throw new AppError('INVALID_ARGUMENT', `the drivers in ${file} are not usable: ${faults.join('; ')}`, { file });
  return entries;
}

function readList(json: string, file: string): readonly unknown[] {
  try {
    return driverEntries.parse(JSON.parse(json));
  } catch (error) {
    throw new AppError('INVALID_ARGUMENT', `${file} is not a JSON list of at most 63 drivers`, { file }, error);
  }
}
