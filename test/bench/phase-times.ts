/** Seconds and counts of each phase of a process, from its /metrics. */
export type PhaseSums = ReadonlyMap<string, { readonly seconds: number; readonly count: number }>;

export async function readPhases(address: string): Promise<PhaseSums> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const sums = new Map<string, { seconds: number; count: number }>();
  for (const [, kind, phase = '', value] of text.matchAll(/^volplane_phase_seconds_(sum|count)\{phase="(\w+)"\} (\S+)$/gm)) {
    const entry = sums.get(phase) ?? { seconds: 0, count: 0 };
    if (kind === 'sum') entry.seconds = Number(value);
    else entry.count = Number(value);
    sums.set(phase, entry);
  }
  return sums;
}

/** The mean milliseconds of each phase between two readings. */
export function phaseMeans(before: PhaseSums, after: PhaseSums): Readonly<Record<string, number>> {
  const means: Record<string, number> = {};
  for (const [phase, { seconds, count }] of after) {
    const past = before.get(phase) ?? { seconds: 0, count: 0 };
    if (count > past.count) means[phase] = ((seconds - past.seconds) * 1_000) / (count - past.count);
  }
  return means;
}
