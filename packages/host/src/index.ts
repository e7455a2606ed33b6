export { syncDirectory, writeFileAtomic } from './atomic-file.js';
export { systemMounts, type HostMounts } from './host-mounts.js';
export { abortMethod, abortMount, abortRefusal, type AbortMethod } from './mount-abort.js';
export { isMountUsable, probeFileSystem } from './mount-probe.js';
export { detachTarget, mountFileSystem, mountTool, remountTarget, unmountTarget, type MountCall } from './mount-call.js';
export {
  findMount,
  findMountOf,
  findMountsBelow,
  isAtOrBelow,
  isReadOnly,
  parseMountTable,
  readMountTable,
  type MountEntry,
} from './mount-table.js';
export { findIdentity, freeSocketPath, protectSocket, removeSocket, type FileIdentity } from './socket-files.js';
export { maskSecrets, systemToolRunner, type ProgramRecorder, type ToolCall, type ToolOutcome, type ToolRunner } from './tool-call.js';
export { RunningPrograms, type RunningProgramsOptions } from './programs/running-programs.js';
export { FileJournal, type FileJournalOptions } from './file-journal.js';
export { lockFolder, type FolderLock } from './folder-lock.js';
export { bootMs } from './guardian/boot-clock.js';
export { readBootId } from './boot-id.js';
export { GuardianClient, type GuardianClientOptions } from './guardian/guardian-client.js';
export { GuardianServer, type GuardianServerOptions } from './guardian/guardian-server.js';
export {
  attachLoopDevice,
  detachLoopDevice,
  findLoopDevices,
  growLoopDevice,
  hasFileSystem,
  listLoopDevices,
  type LoopDevice,
} from './loop-device.js';
export { ArmedMounts } from './guardian/armed-mounts.js';
