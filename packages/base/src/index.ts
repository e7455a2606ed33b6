export { abortReason, sleep, systemClock, withTimeout, type Clock } from './clock.js';
export { AppError, assert, errorText, hasReason, isUnknownOutcome, parseFailure, toFailure, unreachable, type Failure } from './errors.js';
export { KeyedQueue } from './keyed-queue.js';
export { ComponentGroup, type Resource, type Service } from './lifecycle.js';
export { silentLogger, type LogFields, type Logger } from './logger.js';
export { backoffMs, jitter, seededRandom, systemRandom, type Random } from './random.js';
export { isReason, REASONS, type Reason, type ReasonKind } from './reasons.js';
