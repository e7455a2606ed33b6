import { AppError } from '@volplane/base';
import { describeChange, type HistoryEntry, type VolumeDocument, type VolumeName } from '@volplane/domain';
import { KvCompacted, type KvEntry, type KvStore } from '@volplane/ports';
import { parseVolumeDocument } from '@volplane/wire';
import { volumeKey } from '../store/keys.js';

/** The key of a volume as of a revision; undefined when it was not there. @throws KvCompacted; AppError STORE_UNAVAILABLE */
export async function volumeEntryAt(kv: KvStore, name: VolumeName, atRevision: number, signal?: AbortSignal): Promise<KvEntry | undefined> {
  const key = volumeKey(name);
  // Of all keys that begin with this one it is the first in order.
  const { entries } = await kv.range({ prefix: key, limit: 1, atRevision }, signal);
  return entries[0]?.key === key ? entries[0] : undefined;
}

/**
 * The recent changes of a volume, the youngest first: the store keeps every revision until it is compacted, and each names the one
 * before it. At most {@link STEPS_MAX} steps back, to the creation of this key, or to the compaction.
 */
export async function volumeHistory(
  kv: KvStore,
  name: VolumeName,
  latest: KvEntry,
  signal?: AbortSignal,
): Promise<readonly HistoryEntry[]> {
  const history: HistoryEntry[] = [];
  let entry = latest;
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const after = parse(entry);
    if (entry.modRevision === entry.createRevision) {
      history.push({ revision: entry.modRevision, summary: describeChange(undefined, after) });
      return history;
    }
    // Each step names the revision of the next.
    const before = await entryBefore(kv, name, entry, signal);
    if (before === undefined) {
      history.push({ revision: entry.modRevision, summary: 'changed; what was before is compacted away' });
      return history;
    }
    history.push({ revision: entry.modRevision, summary: describeChange(parse(before), after) });
    entry = before;
  }
  history.push({ revision: entry.modRevision, summary: 'older changes are not shown; ask as of this revision' });
  return history;
}

/** The version that the given one replaced; undefined when it is compacted away. */
async function entryBefore(kv: KvStore, name: VolumeName, entry: KvEntry, signal?: AbortSignal): Promise<KvEntry | undefined> {
  try {
    return await volumeEntryAt(kv, name, entry.modRevision - 1, signal);
  } catch (error) {
    if (error instanceof KvCompacted) return undefined;
    throw error;
  }
}

/** An old version may be one that this software cannot read: a gap in the story, no failure of it. */
function parse(entry: KvEntry): VolumeDocument | undefined {
  try {
    return parseVolumeDocument(entry.key, entry.value);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

/** One read of one key each. */
const STEPS_MAX = 32;
