import { holdFaults } from './check-holds.js';
import { findUnexplained } from './check-register.js';
import { storageFaults } from './check-storage.js';
import type { HistoryEvent } from './history.js';

/**
 * Everything that a history proves to be wrong; none = it keeps every promise that `check-storage`, `check-holds` and `check-register` state,
 * and nothing was left held when all callers had gone.
 */
export function violations(history: readonly HistoryEvent[]): readonly string[] {
  const plans = eventsOf(history, 'run').flatMap((run) => run.volumes);
  const calls = eventsOf(history, 'call');
  const uses = eventsOf(history, 'use');
  const found = [...storageFaults(plans, uses, eventsOf(history, 'storage'))];
  for (const plan of plans) {
    const own = calls.filter((call) => call.volume === plan.name);
    const lost = findUnexplained(own);
    if (lost !== undefined) found.push(`volume ${plan.name}: no order of the calls explains ${JSON.stringify(lost)}`);
    if (!plan.exclusive) continue;
    const uids = new Set(own.flatMap((call) => (call.call === 'mount' ? (call.uid ?? []) : [])));
    for (const uid of uids) found.push(...holdFaults(plan, uid, own, uses));
  }
  found.push(...eventsOf(history, 'left').map((left) => left.what));
  if (eventsOf(history, 'end').length === 0) found.push('the history has no end: the run broke off');
  return found;
}

export function eventsOf<T extends HistoryEvent['type']>(
  history: readonly HistoryEvent[],
  type: T,
): readonly Extract<HistoryEvent, { readonly type: T }>[] {
  return history.filter((event): event is Extract<HistoryEvent, { readonly type: T }> => event.type === type);
}
