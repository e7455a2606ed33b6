import { AppError, sleep, systemClock } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import { expect } from 'chai';
import { persist, TestCluster } from '../cluster/test-cluster.js';
import { CALLS, KEPT, NODE, usable, Warned, type Doors } from './calls.js';
import { agentOf, bringBack, takeDown } from './outages.js';
import { CALL_DEADLINE_MS, OUTAGES, RUN_FLAT, type CallId, type Cell } from './table.js';

/**
 * Holds real processes to every cell of the run-flat table (docs/operations.md), twice in each outage: at once, and after the
 * session of the node has had the time to end. All calls of a moment are made together.
 */
describe('run flat', function () {
  this.timeout(180_000);
  let cluster: TestCluster;
  let doors: Doors;
  const paths: string[] = [];
  before(async () => {
    cluster = await TestCluster.start({ managers: 2, agents: 2, sessionTtlMs: SESSION_TTL_MS });
    doors = openDoors();
    await persist(() => doors.agent.createVolume({ name: KEPT.local }, context()));
    await persist(() => doors.manager.createVolume({ name: KEPT.global, driver: 'shared' }, context()));
    for (const name of Object.values(KEPT))
      paths.push((await persist(() => doors.agent.mountVolume({ name, node: NODE, mountId: 'kept' }, context()))).path);
  });
  after(() => cluster.stop());

  for (const outage of OUTAGES) {
    it(`keeps its table with ${outage} down, and afterwards everything that was mounted`, async () => {
      doors = openDoors();
      const calls = Object.keys(CALLS) as CallId[]; // the table's own keys
      const nameOf = (call: CallId, moment: Moment): string => `${call}-${outage}-${moment}`.replaceAll(/[^a-z]+/gi, '-').toLowerCase();
      const prepared = MOMENTS.flatMap((moment) =>
        calls.map(async (call) => await CALLS[call].prepare?.(doors, nameOf(call, moment), context())),
      );
      await Promise.all(prepared);
      const before = await attachment();
      await takeDown(cluster, outage);
      const faults: string[] = [];
      for (const moment of MOMENTS) {
        const checks = calls.map((call) => faultOf(call, nameOf(call, moment), RUN_FLAT[call][outage], moment));
        // One moment after the other.
        for (const fault of await Promise.all(checks)) if (fault !== undefined) faults.push(fault);
        for (const path of paths) await usable(path);
        // What is looked at is what a session's end does, so there is nothing but time to wait for.
        if (moment === 'at once') await sleep(systemClock, SESSION_TTL_MS + 1_000);
      }
      await bringBack(cluster, outage);
      await cluster.settled();
      expect(faults).to.deep.equal([]);
      expect(await attachment(), 'mounted all the time, under the same claim').to.deep.equal(before);
      for (const path of paths) await usable(path);
    });
  }

  /** What is wrong with the cell; undefined = nothing. */
  async function faultOf(call: CallId, name: string, cell: Cell, moment: Moment): Promise<string | undefined> {
    const make = (): Promise<string> => outcomeOf(() => CALLS[call].run(doors, name, context()));
    const first = await make();
    // Under way when the connection broke, which a busy process sees late: nobody can know, and the caller's duty is the same call again.
    const outcome = moment === 'at once' && first.startsWith('UNKNOWN_OUTCOME') && !allowsUnknown(cell) ? await make() : first;
    const where = `${call}, ${moment}`;
    if (cell.does === 'work later') {
      if (outcome === 'works' || moment !== 'at once') return outcome === 'works' ? undefined : `${where}: ${outcome}`;
      if (!outcome.startsWith(cell.until)) return `${where}: ${outcome}`;
      // The caller's one duty: the same call again. That it works, and for the same volume, shows it here.
      const end = await outcomeOf(() => persistThrough(cell.until, () => CALLS[call].run(doors, name, context())));
      return end === 'works' ? undefined : `${where}, repeated: ${end}`;
    }
    const expected = expectedOf(cell, moment);
    return expected.some((one) => outcome === one || outcome.startsWith(`${one}:`)) ? undefined : `${where}: ${outcome}`;
  }

  function openDoors(): Doors {
    return { agent: cluster.client(agentOf(cluster)), manager: cluster.client(...cluster.managers) };
  }

  async function attachment(): Promise<unknown> {
    // What was started again has another port.
    const { agent } = openDoors();
    const { attachments, mountIds } = await persist(() => agent.getVolume({ name: KEPT.global }, context()));
    return { attachments, mountIds };
  }
});

type Moment = 'at once' | 'after the session';
const MOMENTS: readonly Moment[] = ['at once', 'after the session'];

function allowsUnknown(cell: Cell): boolean {
  return cell.does === 'work later' ? cell.until === 'UNKNOWN_OUTCOME' : cell.does === 'fail' && cell.atOnce.includes('UNKNOWN_OUTCOME');
}

/** `works`, `warns`, or the reason and the message of the refusal. */
async function outcomeOf(call: () => Promise<void>): Promise<string> {
  try {
    await call();
    return 'works';
  } catch (error) {
    if (error instanceof Warned) return 'warns';
    return error instanceof AppError ? `${error.reason}: ${error.message}` : String(error);
  }
}

function expectedOf(cell: Exclude<Cell, { readonly does: 'work later' }>, moment: Moment): readonly string[] {
  if (cell.does === 'work') return ['works'];
  if (cell.does === 'warn') return ['warns'];
  const later = orWorks(cell.later);
  // A busy machine may be so late that the session is over at the first look.
  return moment === 'at once' ? [...orWorks(cell.atOnce), ...later] : later;
}

function orWorks(reasons: readonly string[]): readonly string[] {
  return reasons.length === 0 ? ['works'] : reasons;
}

async function persistThrough(reason: string, call: () => Promise<void>): Promise<void> {
  await persist(async () => {
    try {
      await call();
    } catch (error) {
      if (!(error instanceof AppError) || error.reason !== reason) throw error;
      // Told as one that is worth repeating, which is what persist repeats.
      throw new AppError('UNKNOWN_OUTCOME', error.message);
    }
  });
}

/** A signal of its own for each call, and the deadline of the table. */
function context(): CallContext {
  return { signal: new AbortController().signal, timeoutMs: CALL_DEADLINE_MS };
}

const SESSION_TTL_MS = 4_000;
