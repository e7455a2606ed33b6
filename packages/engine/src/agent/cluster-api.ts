import type { Clock } from '@volplane/base';
import type { VolplaneApi } from '../api.js';
import { CALLABLE } from '../api-call.js';
import type { Managers } from './managers.js';
import { watchPassedNodes, watchPassedVolumes } from './passed-watch.js';

/**
 * The managers' API as an agent reaches it: every call is passed on, also for what this node could answer itself. For doors
 * that speak for the cluster and run beside an agent.
 */
export function clusterApi(managers: Managers, clock: Clock): VolplaneApi {
  const watches: Pick<VolplaneApi, 'watchVolumes' | 'watchNodes'> = {
    watchVolumes: (request, context) => watchPassedVolumes({ managers, clock }, request, context),
    watchNodes: (request, context) => watchPassedNodes({ managers, clock }, request, context),
  };
  const methods = CALLABLE.map((method) => [
    method,
    (...[request, context]: Parameters<VolplaneApi[typeof method]>) => managers.call(method, request, context),
  ]);
  // CALLABLE lists every method but the watches, and the managers answer each with what it answers here.
  return { ...Object.fromEntries(methods), ...watches } as VolplaneApi;
}
