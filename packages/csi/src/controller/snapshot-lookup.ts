import { AppError } from '@volplane/base';
import type { SnapshotView } from '@volplane/domain';
import type { CallContext, VolumesApi } from '@volplane/engine';
import { parseSnapshotId } from '../ids.js';

/** The snapshot of a CSI id; undefined = there is none, as a fact. @throws AppError NODE_UNAVAILABLE when its node cannot be asked */
export async function findSnapshot(api: VolumesApi, id: string, context: CallContext): Promise<SnapshotView | undefined> {
  const parts = parseSnapshotId(id);
  if (parts === undefined) return undefined;
  const filter = { names: [parts.name], ...(parts.node === undefined ? {} : { node: parts.node }) };
  const page = await api.listSnapshots({ filter, pageSize: NAMESAKES_MAX }, context);
  const found = page.snapshots.find((view) => view.volumeUid.startsWith(parts.uidStart));
  if (found !== undefined || parts.node === undefined || !page.unansweredNodes.some((node) => node === parts.node)) return found;
  throw new AppError(
    'NODE_UNAVAILABLE',
    `node ${parts.node} does not answer, so snapshot ${parts.name} there can neither be found nor missed`,
    { node: parts.node },
  );
}

/** Snapshots of one name on different volumes; names made by CSI callers are unique. */
const NAMESAKES_MAX = 1_000;
