import { ClientClosedError, EtcdLeaseInvalidError } from 'etcd3';

/**
 * What an error tells about the request:
 *
 * - `not-sent`: it never left this process, so it may be sent again, anywhere;
 * - `refused`: etcd said no and changed nothing;
 * - `unknown`: it may or may not have been applied.
 */
export type Fate = 'not-sent' | 'refused' | 'unknown';

/**
 * Reads the fate of a request from an error of etcd3 or grpc-js. Whatever is not known for certain is `unknown`.
 *
 * A gRPC status code alone proves nothing: grpc-js makes RESOURCE_EXHAUSTED, PERMISSION_DENIED and others of its own from
 * broken connections. Only a text of etcd's with a code of refusal is a refusal.
 */
export function fateOf(error: unknown): Fate {
  if (error instanceof ClientClosedError) return 'not-sent';
  if (error instanceof EtcdLeaseInvalidError) return 'refused';
  const text = error instanceof Error ? error.message : String(error);
  const status = ETCD_STATUS.exec(text);
  if (status === null) return NOT_SENT_TEXTS.some((known) => text.includes(known)) ? 'not-sent' : 'unknown';
  const code = Number(status[1]);
  return REFUSAL_CODES.has(code) && !UNCLEAR_TEXTS.some((known) => text.includes(known)) ? 'refused' : 'unknown';
}

/** `14 UNAVAILABLE: etcdserver: request timed out`: code, name, text of etcd. */
const ETCD_STATUS = /\b(\d{1,2}) [A-Z_]+: (?:etcdserver|auth): /;

/** Texts of grpc-js for calls that were never started on a connection (picker.js, load-balancer-pick-first.js, resolver-dns.js, internal-channel.js). */
const NOT_SENT_TEXTS = ['No connection established', 'Name resolution failed', 'Channel closed before call started'] as const;

/** INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED, UNAUTHENTICATED. */
const REFUSAL_CODES: ReadonlySet<number> = new Set([3, 5, 7, 8, 9, 11, 12, 16]);

/** etcd answers so also for the very transaction that crossed its space quota and was applied (quotaApplierV3 in its apply.go). */
const UNCLEAR_TEXTS = ['database space exceeded'] as const;
