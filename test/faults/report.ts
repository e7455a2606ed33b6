import { lostAtCut } from './check-storage.js';
import { eventsOf, violations } from './checker.js';
import type { HistoryEvent } from './history.js';

/** The outcome of a run as text; `failed` when the checker found anything. */
export function reportOf(history: readonly HistoryEvent[]): { readonly text: string; readonly failed: boolean } {
  const found = violations(history);
  const [run] = eventsOf(history, 'run');
  const [end] = eventsOf(history, 'end');
  const faults = eventsOf(history, 'fault');
  const uses = eventsOf(history, 'use');
  const acked = uses.reduce((sum, use) => sum + use.acked, 0);
  const lines = [
    `seed ${String(run?.seed)}, session TTL ${String(run?.ttlMs)} ms, ${((end?.tookMs ?? 0) / 1000).toFixed(0)} s`,
    '',
    `faults      ${String(faults.length)}`,
    ...countLines(faults.map((fault) => fault.kind)),
    '',
    'operations',
    ...countLines(
      eventsOf(history, 'call').map((call) => `${call.call} ${call.outcome}${call.reason === undefined ? '' : ` ${call.reason}`}`),
    ),
    `            ${String(uses.length)} writers, ${String(acked)} records acknowledged; ended ${countText(uses.map((use) => use.end))}`,
    `            ${String(eventsOf(history, 'storage').length)} volumes read from the storage; ${String(end?.orphans ?? 0)} mounts without a user ended; ${String(end?.restarts ?? 0)} processes started again`,
    '',
    takeoverLine(history),
    `            ${String(lostAtCut(run?.volumes ?? [], uses, eventsOf(history, 'storage')).length)} last records lost by the kernel while it cut the mount off`,
    '',
    `violations  ${String(found.length)}`,
    ...found.map((text) => `  ${text}`),
  ];
  return { text: lines.join('\n'), failed: found.length > 0 };
}

function takeoverLine(history: readonly HistoryEvent[]): string {
  const takeovers = eventsOf(history, 'takeover');
  const times = takeovers.flatMap((takeover) => takeover.tookMs ?? []).sort((one, other) => one - other);
  if (times.length === 0) return `takeovers   ${String(takeovers.length)} on evidence C`;
  const at = (share: number): string => `${((times[Math.floor(share * (times.length - 1))] ?? 0) / 1000).toFixed(1)} s`;
  return `takeovers   ${String(takeovers.length)} on evidence C; from the fault to the new mount's answer (${String(times.length)} with a fault of the old node still on): min ${at(0)}, median ${at(0.5)}, max ${at(1)}`;
}

function counted(words: readonly string[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
}

function countLines(words: readonly string[]): readonly string[] {
  return counted(words).map(([word, count]) => `  ${String(count).padStart(8)}  ${word}`);
}

function countText(words: readonly string[]): string {
  return counted(words)
    .map(([word, count]) => `${word} ${String(count)}`)
    .join(', ');
}
