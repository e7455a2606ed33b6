import type { CallEvent } from './history.js';

/**
 * Whether the calls about one name can be put in one order that keeps real time, in which the name is a register that is empty or holds
 * one volume (its uid), each uid once in its life:
 *
 * - `create` answered with u: the register was empty and then held u, or held u already, at one moment between call and answer.
 * - `remove` of u answered OK or VOLUME_NOT_FOUND: u was in the register before that moment, and is not after it.
 * - `mount` answered OK for u: the register held u at that moment. Answered VOLUME_NOT_FOUND: it was empty.
 * - A `create` without an answer may put one volume in, a `remove` of u without an answer may take u out, at any moment after its call, or never;
 *   of creates without an answer it is not counted how many volumes came from them.
 *
 * Every other refusal says nothing about the register and is left out. So an acknowledged create that is lost, a removed volume that comes
 * back, and a mount of a volume that is gone are found. The set of all states in which the register can be is carried along (Lowe 2017).
 *
 * @returns the first call that no order explains; undefined = there is such an order
 */
export function findUnexplained(calls: readonly CallEvent[]): CallEvent | undefined {
  const steps = calls.filter(isTelling).flatMap((call) => [
    { call, atMs: call.fromMs, isAnswer: false },
    { call, atMs: call.untilMs, isAnswer: true },
  ]);
  // At one moment calls come before answers: then the two overlap, which allows more orders.
  steps.sort((one, other) => one.atMs - other.atMs || Number(one.isAnswer) - Number(other.isAnswer));
  const open = new Set<CallEvent>();
  const licences: Licences = { creates: false, removes: new Set() };
  let worlds = new Map<string, World>([['', { holds: undefined, dead: new Set(), done: new Set() }]]);
  for (const { call, isAnswer } of steps) {
    if (!isAnswer) {
      if (call.outcome !== 'unknown') open.add(call);
      else if (call.call === 'create') licences.creates = true;
      else if (call.uid !== undefined) licences.removes.add(call.uid);
      continue;
    }
    if (call.outcome === 'unknown') continue;
    worlds = explain(worlds, call, [...open], licences);
    open.delete(call);
    if (worlds.size === 0) return call;
  }
  return undefined;
}

interface World {
  readonly holds: string | undefined;
  readonly dead: ReadonlySet<string>;
  /** Calls that have had their moment and wait for their answer. */
  readonly done: ReadonlySet<CallEvent>;
}

interface Licences {
  creates: boolean;
  readonly removes: Set<string>;
}

function isTelling(call: CallEvent): boolean {
  if (call.call === 'unmount') return false;
  if (call.outcome === 'unknown') return call.call !== 'mount';
  if (call.outcome === 'ok') return call.uid !== undefined;
  return call.reason === 'VOLUME_NOT_FOUND' && call.call !== 'create';
}

/** Every world that can be reached in which `answered` has had its moment. */
function explain(
  worlds: ReadonlyMap<string, World>,
  answered: CallEvent,
  open: readonly CallEvent[],
  licences: Licences,
): Map<string, World> {
  const seen = new Map(worlds);
  const left = [...worlds.values()];
  const reached = new Map<string, World>();
  for (let world = left.pop(); world !== undefined; world = left.pop()) {
    if (world.done.has(answered)) {
      const done = new Set(world.done);
      done.delete(answered);
      const after = { ...world, done };
      reached.set(keyOf(after), after);
      continue;
    }
    for (const next of nextWorlds(world, open, licences)) {
      const key = keyOf(next);
      if (seen.has(key)) continue;
      seen.set(key, next);
      left.push(next);
    }
  }
  return reached;
}

function nextWorlds(world: World, open: readonly CallEvent[], licences: Licences): readonly World[] {
  const next: World[] = [];
  if (world.holds !== undefined && licences.removes.has(world.holds)) next.push(emptied(world));
  for (const call of open) {
    if (world.done.has(call)) continue;
    const { uid } = call;
    if (uid !== undefined && world.holds === undefined && call.call === 'mount' && licences.creates && !world.dead.has(uid))
      next.push({ ...world, holds: uid });
    const after = applied(world, call);
    if (after !== undefined) next.push({ ...after, done: new Set([...world.done, call]) });
  }
  return next;
}

/** The world after the call's moment; undefined = this is not its moment. */
function applied(world: World, { call, uid, outcome }: CallEvent): World | undefined {
  if (uid === undefined) return outcome === 'refused' && world.holds === undefined ? world : undefined;
  if (call === 'remove') {
    if (world.holds === uid) return outcome === 'ok' ? emptied(world) : undefined;
    return world.dead.has(uid) ? world : undefined;
  }
  if (outcome === 'refused') return world.holds === undefined ? world : undefined;
  if (world.holds === uid) return world;
  const fresh = call === 'create' && world.holds === undefined && !world.dead.has(uid);
  return fresh ? { ...world, holds: uid } : undefined;
}

function emptied(world: World): World {
  return world.holds === undefined ? world : { ...world, holds: undefined, dead: new Set([...world.dead, world.holds]) };
}

/** Calls are told apart by their place in memory, which gets a number here. */
const numbers = new WeakMap<CallEvent, number>();
let lastNumber = 0;

function keyOf(world: World): string {
  const done = [...world.done].map((call) => {
    const known = numbers.get(call);
    if (known !== undefined) return known;
    lastNumber += 1;
    numbers.set(call, lastNumber);
    return lastNumber;
  });
  return `${world.holds ?? ''}|${[...world.dead].sort().join()}|${done.sort((one, other) => one - other).join()}`;
}
