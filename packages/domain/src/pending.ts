import type { NodeName, NodeUid, OperationId } from './names.js';
import type { Operation, StringMap, VolumeDocument } from './volume.js';

/** A command that the document says is still owed to a node. */
export interface PendingCommand {
  readonly kind: Operation['kind'];
  readonly operationId: OperationId;
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly epoch: number;
  readonly parameters: StringMap;
}

/**
 * The commands that the document is waiting for: level-triggered, the same for a caller, a sweep and a repeated sweep.
 * In removal, former owners are asked as well as the owner (rule 18).
 */
export function pendingCommands(document: VolumeDocument): readonly PendingCommand[] {
  const { operation, epoch } = document;
  if (operation === undefined) return [];
  const command = (node: NodeName, nodeUid: NodeUid): PendingCommand => ({
    kind: operation.kind,
    operationId: operation.id,
    node,
    nodeUid,
    epoch,
    parameters: operation.parameters,
  });
  if (document.phase !== 'removing') return [command(document.owner, document.ownerUid)];
  const owner = operation.ownerDone === true ? [] : [command(document.owner, document.ownerUid)];
  // An owner that was one before is asked once: its answer settles both.
  const formers = document.formerOwners.filter((former) => operation.ownerDone === true || former.nodeUid !== document.ownerUid);
  return [...owner, ...formers.map((former) => command(former.node, former.nodeUid))];
}
