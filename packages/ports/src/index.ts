export {
  BUS_LIMITS,
  BUS_SUBJECT,
  type Bus,
  type BusFallback,
  type BusHandler,
  type BusRequestOptions,
  type BusSubscription,
} from './bus.js';
export type { DriverInspection, DriverVolume, FoundVolume, MountRequest, VolumeDriver } from './driver.js';
export type { DriverPrograms } from './driver-programs.js';
export type { ArmedMount, Guardian } from './guardian.js';
export { changesOf, JOURNAL_LIMITS, type Journal, type JournalChanges, type JournalGrade } from './journal.js';
export { checkBatch, checkRangeQuery, checkWatchQuery } from './kv-rules.js';
export {
  KV_LIMITS,
  KV_RESERVED_SUFFIX,
  KvCompacted,
  type KvCompare,
  type KvEntry,
  type KvEvent,
  type KvObserver,
  type KvOutcome,
  type KvPage,
  type KvRangeQuery,
  type KvRead,
  type KvStore,
  type KvTransaction,
  type KvWatch,
  type KvWrite,
} from './kv-store.js';
