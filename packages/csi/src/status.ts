import { AppError, type ReasonKind } from '@volplane/base';
import type { UnaryStatusCode } from '@volplane/rpc';

/** The gRPC codes that CSI answers with, by name. */
export type CsiCode = Exclude<UnaryStatusCode, 'UNKNOWN' | 'DEADLINE_EXCEEDED' | 'PERMISSION_DENIED' | 'UNAUTHENTICATED'>;

/** An answer in CSI's own terms. `message` is one sentence for people: no secrets, no stack. */
export class CsiError extends Error {
  readonly code: CsiCode;

  constructor(code: CsiCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CsiError';
    this.code = code;
  }
}

/**
 * Any thrown value as the status that the caller gets. Never details: CSI forbids them.
 *
 * What may still happen (unknown outcome, time run out) is UNAVAILABLE: callers then repeat the call or undo it. INTERNAL
 * is for faults of Volplane alone, because callers take it for a final failure and walk away.
 */
export function toCsiStatus(error: unknown): { readonly code: CsiCode; readonly message: string } {
  if (error instanceof CsiError) return { code: error.code, message: clip(error.message) };
  if (error instanceof AppError) return { code: codeOf(error), message: clip(`${error.message} (${error.reason})`) };
  return { code: 'INTERNAL', message: 'internal fault of the volume plugin; its log has the details' };
}

function codeOf(error: AppError): CsiCode {
  switch (error.reason) {
    // Not begun: worth the same call again, where RESOURCE_EXHAUSTED would send a pod to another node.
    case 'OVERLOADED':
      return 'UNAVAILABLE';
    // The volume's driver cannot: for CSI a capability "not supported by the volume". UNIMPLEMENTED would speak of the whole plugin.
    case 'CAPABILITY_MISSING':
      return 'INVALID_ARGUMENT';
    case 'PAGE_TOKEN_INVALID':
      return 'ABORTED';
    default:
      return CODE_OF_KIND[error.kind];
  }
}

const CODE_OF_KIND: Readonly<Record<ReasonKind, CsiCode>> = {
  invalid: 'INVALID_ARGUMENT',
  'not-found': 'NOT_FOUND',
  exists: 'ALREADY_EXISTS',
  precondition: 'FAILED_PRECONDITION',
  aborted: 'ABORTED',
  exhausted: 'RESOURCE_EXHAUSTED',
  unavailable: 'UNAVAILABLE',
  deadline: 'UNAVAILABLE',
  cancelled: 'UNAVAILABLE',
  unimplemented: 'UNIMPLEMENTED',
  'data-loss': 'DATA_LOSS',
  internal: 'INTERNAL',
};

/** Far below the 8 KiB that gRPC clients take as a status message, percent-encoding included. */
const MESSAGE_CHARACTERS_MAX = 1_000;

function clip(message: string): string {
  return message.length > MESSAGE_CHARACTERS_MAX ? `${message.slice(0, MESSAGE_CHARACTERS_MAX)}…` : message;
}
