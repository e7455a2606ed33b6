export {
  ACCESS_MODES,
  isExclusiveWriter,
  isReaderOnly,
  isSingleNode,
  isSufficient,
  mayCoexist,
  TAKEOVER_POLICIES,
  type AccessMode,
  type MountMode,
  type Scope,
  type TakeoverPolicy,
} from './access.js';
export {
  isDriverName,
  isIncarnation,
  isMountId,
  isNodeName,
  isNodeUid,
  isOperationId,
  isSessionId,
  isVolumeName,
  isVolumeUid,
  parseDriverName,
  parseMountId,
  parseNodeName,
  parseSnapshotName,
  parseVolumeName,
  quote,
  type DriverName,
  type Incarnation,
  type MountId,
  type NodeName,
  type NodeUid,
  type OperationId,
  type SessionId,
  type VolumeName,
  type VolumeUid,
} from './names.js';
export { pluginVolumeName } from './plugin-volume-name.js';
export type { DriverCapabilities, DriverInfo, NodeDocument, SessionDocument } from './node.js';
export {
  LIMITS,
  type Attachment,
  type Evidence,
  type EvidenceKind,
  type FormerOwner,
  type Operation,
  type Snapshot,
  type StringMap,
  type VolumeDocument,
  type VolumePhase,
  type VolumeSpec,
} from './volume.js';
export type {
  CapacityRequest,
  CreateVolumeRequest,
  DeclareNodeLostRequest,
  ExpandVolumeRequest,
  ExplainVolumeRequest,
  ForceReleaseRequest,
  ListSnapshotsRequest,
  ListVolumesRequest,
  MountVolumeRequest,
  PageRequest,
  ReleaseGoneRequest,
  RemoveVolumeRequest,
  SnapshotFilter,
  SnapshotRequest,
  TransferOwnershipRequest,
  UnmountVolumeRequest,
  UpdateLabelsRequest,
  VolumeFilter,
  VolumeRef,
  WatchRequest,
} from './requests.js';
export type {
  AttachmentView,
  CandidateExplanation,
  CapacityView,
  DrainView,
  DriverView,
  HistoryEntry,
  HolderExplanation,
  MountView,
  NodeEvent,
  NodeLostPlan,
  NodePage,
  NodeState,
  NodeView,
  SnapshotPage,
  SnapshotView,
  VolumeEvent,
  VolumeExplanation,
  VolumePage,
  VolumeView,
} from './views.js';
export { decideClaim, holdersToFence, type Claim, type Grant } from './claim.js';
export { decisionError, type ClusterView, type Decision, type LiveNode, type Requirement } from './decision.js';
export { describeChange } from './describe-change.js';
export { expectedAnswer, explainLocalVolume, explainVolume, type ExplainInput } from './explain.js';
export { heldDigest, rendezvousOwner } from './held-digest.js';
export { attachedFailure, excludingHolders, heldFailure, holdersOf, toAttachmentView, whatFrees, type Holder } from './holders.js';
export { checkCluster, checkDocument, checkState, type ClusterSnapshot, type InvariantName, type Violation } from './invariants.js';
export { identityDifference, maskedOption, maskedOptions } from './identity.js';
export {
  decideAnswer,
  decideBegin,
  decideCreate,
  decideForget,
  decideRemove,
  otherUidFailure,
  type Create,
  type OperationAnswer,
} from './life.js';
export { goneRequirement, lostWord, sessionOf, type NodeIdentity } from './liveness.js';
export { decideCordon, decideDeclareLost } from './node-decisions.js';
export { decideNodeLost, lossRisk, namesNode, type LossRisk, type LostNode } from './node-lost.js';
export { ownEntry } from './own-entry.js';
export { decideDropLost, decideRehome, moveOwner } from './ownership.js';
export { pendingCommands, type PendingCommand } from './pending.js';
export {
  canKeepPolicy,
  chooseOwner,
  defaultTakeover,
  driverFault,
  placementOf,
  placeVolume,
  type Candidate,
  type CandidateVerdict,
  type Placement,
  type PlacementRequest,
} from './placement.js';
export { decideForceRelease, decideRelease, decideReleaseGone, type Release } from './release.js';
export { decideSettings, type SettingsChange } from './settings.js';
export { couldBeFenced, decideRaiseEpoch, type FenceReceipt } from './takeover.js';
