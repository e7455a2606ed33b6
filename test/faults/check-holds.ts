import type { CallEvent, UseEvent, VolumePlan } from './history.js';

/**
 * Mutual exclusion as callers saw it, for one exclusive volume (one uid):
 *
 * - Two mounts that were answered with one epoch are of one claim: the same node and seq.
 * - A mount whose call came after another mount's answer never has a lower epoch: grants are one growing register.
 * - Under `manual` nobody takes over: the times from a mount's answer to the first call of its unmount never overlap between nodes,
 *   whatever failed meanwhile. Under `lease` the times from a mount's answer to the beginning of its last acknowledged write do not.
 */
export function holdFaults(plan: VolumePlan, uid: string, calls: readonly CallEvent[], uses: readonly UseEvent[]): readonly string[] {
  const holds = calls
    .filter((call) => call.call === 'mount' && call.outcome === 'ok' && call.uid === uid)
    .map((call) => holdOf(plan, call, calls, uses));
  holds.sort((one, other) => one.fromMs - other.fromMs);
  const faults: string[] = [];
  for (const [index, one] of holds.entries()) {
    for (const other of holds.slice(index + 1)) {
      const both = `volume ${plan.name} (${uid}): ${one.label} and ${other.label}`;
      if (one.epoch === other.epoch && (one.node !== other.node || one.seq !== other.seq)) faults.push(`${both} have one epoch`);
      if (one.answeredMs < other.calledMs && one.epoch > other.epoch) faults.push(`${both}: the epoch fell`);
      if (other.answeredMs < one.calledMs && other.epoch > one.epoch) faults.push(`${both}: the epoch fell`);
      if (one.node !== other.node && one.fromMs < other.untilMs && other.fromMs < one.untilMs)
        faults.push(`${both} held it at the same time`);
    }
  }
  return faults;
}

interface Hold {
  readonly label: string;
  readonly node: string;
  readonly epoch: number;
  readonly seq: number;
  readonly calledMs: number;
  readonly answeredMs: number;
  readonly fromMs: number;
  /** Before `fromMs`: for no time at all. */
  readonly untilMs: number;
}

function holdOf(plan: VolumePlan, mount: CallEvent, calls: readonly CallEvent[], uses: readonly UseEvent[]): Hold {
  const { node = '', mountId = '', epoch = 0, seq = 0 } = mount;
  const unmounts = calls.filter((call) => call.call === 'unmount' && call.volume === plan.name && call.mountId === mountId);
  const written = uses.find((use) => use.writer === mountId)?.lastStartMs ?? -Infinity;
  return {
    label: `${mountId} on ${node} (epoch ${String(epoch)})`,
    node,
    epoch,
    seq,
    calledMs: mount.fromMs,
    answeredMs: mount.untilMs,
    fromMs: mount.untilMs,
    untilMs: plan.takeover === 'manual' ? Math.min(Infinity, ...unmounts.map((call) => call.fromMs)) : written,
  };
}
