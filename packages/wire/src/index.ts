export { counter, encodeDocument, mountMode, nodeName, parseNodeDocument, parseSessionDocument, parseVolumeDocument } from './document.js';
export {
  acknowledged,
  agentMessage,
  answerFailure,
  answerOk,
  commandAnswer,
  fenceAnswer,
  grantAnswer,
  HELD_ENTRIES_MAX,
  heartbeatAnswer,
  changesAnswer,
  heldListAnswer,
  managerMessage,
  MANAGERS_GROUP,
  MANAGERS_SUBJECT,
  nodeSubject,
  openAnswer,
  openCallAnswer,
  parseMessage,
  registered,
  toCommandAnswer,
  usersAnswer,
  type AgentMessage,
  type AgentMessageOf,
  type CommandAnswer,
  type GrantAnswer,
  type HeartbeatAnswer,
  type ChangesAnswer,
  type HeldListAnswer,
  type ManagerMessage,
  type MessageOf,
  type Registered,
  type UsersAnswer,
} from './messages.js';
export { type BatchItem, type BatchResult, type CodedBatchResult } from './codec/batch.js';
export { PROTO_FILES } from './loader-options.js';
export { LIST_ENTRIES_MAX } from './codec/scalars.js';
export { StatusCodec, type FailureStatus } from './codec/status.js';
export { loadProtocol, protoFolder, type Method, type Protocol } from './protocol.js';
export { loadReflectionFiles } from './reflection-files.js';
