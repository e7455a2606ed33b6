import { AppError } from '@volplane/base';
import type { VolplaneApi } from '../api.js';
import { CALLABLE } from '../api-call.js';
import type { Managers } from './managers.js';

/**
 * The managers' API as an agent reaches it: every call is passed on, also for what this node could answer itself. For doors
 * that speak for the cluster and run beside an agent.
 */
export function clusterApi(managers: Managers): VolplaneApi {
  const watch = (): never => {
    throw new AppError('NOT_IMPLEMENTED', 'an agent does not serve watches; watch at a manager');
  };
  const methods = CALLABLE.map((method) => [
    method,
    (...[request, context]: Parameters<VolplaneApi[typeof method]>) => managers.call(method, request, context),
  ]);
  // CALLABLE lists every method but the watches, and the managers answer each with what it answers here.
  return { ...Object.fromEntries(methods), watchVolumes: watch, watchNodes: watch } as VolplaneApi;
}
