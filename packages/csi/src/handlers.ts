import type { CallContext } from '@volplane/engine';
import type { CallGate, CsiCall } from './call-gate.js';
import { canonicalJson } from './field-codec.js';
import { parseVolumeId } from './ids.js';

/**
 * The methods of one service by their names in csi.proto.
 *
 * The gRPC side hands each of them the decoded message of its method, so the parameter's type is a fact of the proto file.
 */
export type CsiHandlers = Readonly<Record<string, (request: never, call: CsiCall) => Promise<object>>>;

/** A handler that changes nothing. */
export function reading<Q extends object, R extends object>(
  gate: CallGate,
  work: (request: Q, context: CallContext) => Promise<R>,
): (request: Q, call: CsiCall) => Promise<R> {
  return (request, call) => gate.read(call, (context) => work(request, context));
}

/** A handler whose calls for one thing run one at a time; `keyOf` names the thing. */
export function changing<Q extends object, R extends object>(
  gate: CallGate,
  method: string,
  keyOf: (request: Q) => string,
  work: (request: Q, context: CallContext) => Promise<R>,
): (request: Q, call: CsiCall) => Promise<R> {
  return (request, call) => {
    // Secrets are no part of what a request means to us, and are kept nowhere.
    const { secrets: _, ...said } = request as Q & { readonly secrets?: unknown };
    return gate.change(call, { key: keyOf(request), sameAs: `${method} ${canonicalJson(said)}` }, (context) => work(request, context));
  };
}

/** The same for every id that a volume goes by: its bare name is one. */
export function volumeKey(request: { readonly volume_id: string }): string {
  return `volume ${parseVolumeId(request.volume_id)?.name ?? request.volume_id}`;
}
