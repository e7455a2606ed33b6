import { AppError, type Clock } from '@volplane/base';
import { answerFailure } from '@volplane/wire';
import type { CallContext, VolplaneApi } from './api.js';

/** The methods that can be passed on over the bus; watches cannot. */
export const CALLABLE = [
  'createVolume',
  'getVolume',
  'listVolumes',
  'updateLabels',
  'removeVolume',
  'forgetVolume',
  'mountVolume',
  'unmountVolume',
  'getPath',
  'getStatus',
  'transferOwnership',
  'forceRelease',
  'expandVolume',
  'createSnapshot',
  'removeSnapshot',
  'explainVolume',
  'releaseGone',
  'listSnapshots',
  'getCapacity',
  'listNodes',
  'getNode',
  'cordonNode',
  'drainNode',
  'planNodeLost',
  'declareNodeLost',
  'listDrivers',
] as const satisfies readonly (keyof VolplaneApi)[];

export type Callable = (typeof CALLABLE)[number];

/** Runs a passed-on call at this side's API, bounded by the time that the other side gave it. @throws what the method throws */
export async function callApi(
  api: VolplaneApi,
  message: { readonly method: string; readonly request: Readonly<Record<string, unknown>>; readonly timeoutMs: number },
  clock: Clock,
): Promise<unknown> {
  const method = CALLABLE.find((name) => name === message.method);
  if (method === undefined)
    throw new AppError('INVALID_ARGUMENT', `the call ${JSON.stringify(message.method.slice(0, 64))} is not known here`, {
      field: 'method',
    });
  const controller = new AbortController();
  const timeoutMs = Math.min(message.timeoutMs, CALL_MS_MAX);
  const cancel = clock.after(timeoutMs, () => {
    controller.abort(
      new AppError('DEADLINE_EXCEEDED', `the call ${method} ran out of its ${String(timeoutMs)} ms; its outcome is unknown, repeat it`),
    );
  });
  // The union of methods has no common request type; the sender is a peer that took the request from the same method.
  const run = api[method].bind(api) as (request: unknown, context: CallContext) => Promise<unknown>;
  try {
    return await run(message.request, { signal: controller.signal, timeoutMs });
  } finally {
    cancel();
  }
}

const CALL_MS_MAX = 120_000;

/**
 * What is answered to a call whose answer has no room in a message of the bus: a list says so, and its caller asks for a smaller page. What
 * may have changed something stays without an answer, because a refusal would say that it was not done.
 *
 * @throws the error
 */
export function answerTooLarge(error: AppError, message: unknown): unknown {
  const { method } = message as { readonly method?: unknown }; // a message that was answered is an object
  if (LISTS.some((name) => name === method)) return answerFailure(error);
  throw error;
}

const LISTS = ['listVolumes', 'listSnapshots', 'listNodes', 'listDrivers', 'explainVolume'] as const satisfies readonly Callable[];
