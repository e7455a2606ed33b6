import type { StorageEvent, UseEvent, VolumePlan } from './history.js';

/**
 * What the storage itself proves, from the records that it holds in the order in which they lie there:
 *
 * - *One writer*: in an exclusive volume the epochs of the records never fall, and all records of one epoch are of one node.
 * - *Nothing acknowledged is lost*: the records of each writer are 1, 2, 3 without a gap or a repetition, at least to the last one that was
 *   acknowledged, all in one place. The last one before a cut may be missing, see {@link lostAtCut}.
 * - *Nothing is foreign or damaged*: every record is of a writer that was started for this volume, on this node, with this epoch.
 * - *No late write*: no acknowledged write of a lower epoch began after a write of a higher epoch of the same volume was acknowledged.
 */
export function storageFaults(plans: readonly VolumePlan[], uses: readonly UseEvent[], places: readonly StorageEvent[]): readonly string[] {
  const byWriter = new Map(uses.map((use) => [use.writer, use]));
  const lastOf = new Map<string, number>();
  const faults = places.flatMap((place) => {
    const exclusive = plans.find((plan) => plan.name === place.volume)?.exclusive === true;
    return [
      ...place.damaged.map((line) => `${label(place)}: holds ${JSON.stringify(line)}, which is no record`),
      ...(exclusive ? epochFaults(place) : []),
      ...placeFaults(place, byWriter, lastOf),
      ...(exclusive ? lateWrites(place, byWriter) : []),
    ];
  });
  const excused = new Set(lostAtCut(plans, uses, places));
  for (const use of uses) {
    const { writer, acked, volume, node, epoch } = use;
    const last = lastOf.get(writer) ?? 0;
    if (last < acked && !excused.has(use))
      faults.push(
        `volume ${volume}: record ${String(last + 1)} to ${String(acked)} of ${writer} on ${node} (epoch ${String(epoch)}) were acknowledged and are lost`,
      );
  }
  return faults;
}

/**
 * Writers whose mount was cut off under them and whose very last record was acknowledged and is lost. That is the kernel's doing: while ext4 is being
 * shut down it may tell a write with O_SYNC that it is safe and drop it all the same (seen on Linux 6.18, with and without a flush of the log, in some
 * of a hundred cuts under a writer that never rests; no part of ours was running). One record more would be ours.
 */
export function lostAtCut(plans: readonly VolumePlan[], uses: readonly UseEvent[], places: readonly StorageEvent[]): readonly UseEvent[] {
  const lastOf = new Map(places.flatMap(({ runs }) => runs.map(({ writer, last }) => [writer, last] as const)));
  const canBeCut = new Set(plans.filter(({ takeover }) => takeover === 'lease').map(({ name }) => name));
  return uses.filter(
    ({ writer, volume, acked, end }) => end === CUT_OFF && canBeCut.has(volume) && acked > 0 && (lastOf.get(writer) ?? 0) === acked - 1,
  );
}

/** What a writer ends with whose file system was shut down. */
const CUT_OFF = 'EIO';

function epochFaults(place: StorageEvent): readonly string[] {
  const faults: string[] = [];
  const nodeOf = new Map<number, string>();
  let highest = 0;
  for (const { epoch, node, writer, first } of place.runs) {
    const at = `${label(place)}: record ${String(first)} of ${writer}`;
    const owner = nodeOf.get(epoch) ?? node;
    nodeOf.set(epoch, owner);
    if (owner !== node) faults.push(`${at}: ${node} wrote in epoch ${String(epoch)}, which ${owner} had`);
    if (epoch < highest) faults.push(`${at}: ${node} wrote with epoch ${String(epoch)} after epoch ${String(highest)} had written`);
    highest = Math.max(highest, epoch);
  }
  return faults;
}

/** Counts each writer's records in `lastOf`. */
function placeFaults(place: StorageEvent, byWriter: ReadonlyMap<string, UseEvent>, lastOf: Map<string, number>): readonly string[] {
  const faults: string[] = [];
  for (const { writer, node, epoch, first, last } of place.runs) {
    const use = byWriter.get(writer);
    if (use?.volume !== place.volume || use.node !== node || use.epoch !== epoch)
      faults.push(`${label(place)}: ${writer} on ${node} with epoch ${String(epoch)} was not started for it`);
    const before = lastOf.get(writer) ?? 0;
    if (first !== before + 1) faults.push(`${label(place)}: after record ${String(before)} of ${writer} comes ${String(first)}`);
    lastOf.set(writer, last);
  }
  return faults;
}

function lateWrites(place: StorageEvent, byWriter: ReadonlyMap<string, UseEvent>): readonly string[] {
  const uses = [...new Set(place.runs.map((run) => run.writer))].flatMap((writer) => byWriter.get(writer) ?? []);
  return uses.flatMap((early) =>
    uses
      .filter((late) => late.epoch > early.epoch && (early.lastStartMs ?? -Infinity) > (late.firstAckMs ?? Infinity))
      .map(
        (late) =>
          `${label(place)}: ${early.node} began a write with epoch ${String(early.epoch)} after ${late.node} had written with epoch ${String(late.epoch)}`,
      ),
  );
}

function label(place: StorageEvent): string {
  return `volume ${place.volume} (${place.uid})`;
}
