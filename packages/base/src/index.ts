export { whenAborted } from './abort.js';
export { abortReason, sleep, systemClock, withTimeout, type Clock } from './clock.js';
export { sha256Hex } from './digest.js';
export { AppError, assert, errorText, hasReason, isUnknownOutcome, parseFailure, toFailure, unreachable, type Failure } from './errors.js';
export { KeyedQueue } from './keyed-queue.js';
export { ComponentGroup, type Resource, type Service } from './lifecycle.js';
export { silentLogger, type LogFields, type Logger } from './logger.js';
export { backoffMs, jitter, seededRandom, systemRandom, type Random } from './random.js';
export { isReason, REASONS, type Reason, type ReasonKind } from './reasons.js';
export { EXIT, superviseProcess, type ProcessLike } from './process-main.js';
export {
  boolean,
  faultsOf,
  integer,
  list,
  nonEmpty,
  oneOf,
  pairs,
  readSettings,
  settingRows,
  text,
  type ReadSettings,
  type Setting,
  type Settings,
  type SettingTable,
} from './settings.js';
export { SharedWork } from './shared-work.js';
export { SortedKeys } from './sorted-keys.js';
export { noTelemetry, PHASES, type Phase, type Telemetry } from './telemetry.js';
