import { AppError } from '@volplane/base';
import type { VolplaneApi } from '../src/api.js';
import { expect } from 'chai';
import type { Death } from './crash-point.js';
import { CrashWorld } from './crash-world.js';

/**
 * A manager dies at every call of its store and its bus that an operation makes, once before the call is applied and once after it,
 * without its answer. How many calls there are is found out by the run; that a caller's connection ends with its manager is
 * the client's business and tested with real processes (test/cluster).
 */
describe('a manager that dies at any call of its store or bus', function () {
  this.timeout(300_000);

  for (const operation of operations()) {
    for (const door of ['manager', 'agent'] as const) {
      for (const after of ['the caller repeats the call', 'nobody repeats the call'] as const) {
        it(`leaves no half-done ${operation.name} asked at the ${door}, when ${after}`, async () => {
          const calls = await count(operation, door);
          expect(calls.length, calls.join()).to.be.at.least(operation.callsMin);
          for (const needed of operation.calls) expect(calls).to.include(needed);
          const deaths = calls.flatMap((_, index): Death[] => [
            { at: index + 1, when: 'before' },
            { at: index + 1, when: 'after' },
          ]);
          const faults: string[] = [];
          while (deaths.length > 0) {
            // A batch after the other: each world waits mostly for its own turns.
            const batch = await Promise.all(
              deaths.splice(0, WORLDS_AT_ONCE).map((death) => faultOf({ operation, door, death, repeats: after.startsWith('the caller') })),
            );
            faults.push(...batch.flatMap((fault) => fault ?? []));
          }
          expect(faults).to.deep.equal([]);
          const survivor = await faultOf({ operation, door, death: { at: calls.length + 1, when: 'before' }, repeats: false });
          expect(survivor, 'one call more than there are').to.match(/runs through/);
        });
      }
    }
  }
});

interface Operation {
  readonly name: string;
  /** At the least: the steps that the protocol has. */
  readonly callsMin: number;
  readonly calls: readonly string[];
  readonly prepare: (world: CrashWorld) => Promise<void>;
  readonly ask: (api: VolplaneApi, world: CrashWorld) => Promise<unknown>;
  /** Reasons that end the repeated call: the first one did it. */
  readonly doneAs?: readonly string[];
  /** What must hold once a call was answered. */
  readonly check: (world: CrashWorld) => void;
}

function operations(): readonly Operation[] {
  const nothing = (): Promise<void> => Promise.resolve();
  const make = async (world: CrashWorld): Promise<void> => {
    await world.settle(world.second((api) => api.createVolume({ name: 'data', driver: 'fake', node: 'n1' }, world.context())));
  };
  const mount = (api: VolplaneApi, world: CrashWorld): Promise<unknown> =>
    api.mountVolume({ name: 'data', node: 'n2', mountId: 'c1' }, world.context());
  return [
    {
      name: 'create',
      callsMin: 3,
      calls: ['transact', 'request'],
      prepare: nothing,
      ask: (api, world) => api.createVolume({ name: 'data', driver: 'fake' }, world.context()),
      check: (world) => {
        expect(world.documents.map(({ name, phase }) => [name, phase])).to.deep.equal([['data', 'ready']]);
      },
    },
    {
      name: 'create that its driver refuses',
      callsMin: 5,
      calls: ['transact', 'request'],
      prepare: nothing,
      ask: (api, world) => api.createVolume({ name: 'data', driver: 'fake', options: { bad: 'yes' } }, world.context()),
      doneAs: ['INVALID_OPTION'],
      check: (world) => {
        expect(world.documents).to.deep.equal([]);
      },
    },
    {
      name: 'mount',
      callsMin: 2,
      calls: ['answer', 'transact'],
      prepare: make,
      ask: mount,
      check: (world) => {
        expect(world.documents.map(({ attachments }) => Object.keys(attachments))).to.deep.equal([['n2']]);
      },
    },
    {
      name: 'unmount',
      callsMin: 2,
      calls: ['answer', 'transact'],
      prepare: async (world) => {
        await make(world);
        await world.settle(world.second((api) => mount(api, world)));
      },
      ask: (api, world) => api.unmountVolume({ name: 'data', node: 'n2', mountId: 'c1' }, world.context()),
      check: (world) => {
        expect(world.documents.map(({ attachments }) => attachments)).to.deep.equal([{}]);
      },
    },
    {
      name: 'remove',
      callsMin: 3,
      calls: ['transact', 'request'],
      prepare: make,
      ask: (api, world) => api.removeVolume({ name: 'data' }, world.context()),
      doneAs: ['VOLUME_NOT_FOUND'],
      check: (world) => {
        expect(world.documents).to.deep.equal([]);
      },
    },
  ];
}

interface Trial {
  readonly operation: Operation;
  readonly door: 'manager' | 'agent';
  readonly death: Death;
  readonly repeats: boolean;
}

/** The calls that the operation makes at the manager when nobody dies. */
async function count(operation: Operation, door: Trial['door']): Promise<readonly string[]> {
  const world = await CrashWorld.start();
  await operation.prepare(world);
  world.point.arm();
  await world.settle(ask(world, operation, door)).catch((error: unknown) => {
    if (!isEnd(error, operation)) throw error;
  });
  world.point.disarm();
  return [...world.point.calls];
}

/** What is wrong after a death at this point; undefined = nothing. */
async function faultOf(trial: Trial): Promise<string | undefined> {
  const { operation, death, door, repeats } = trial;
  const where = `death ${death.when} call ${String(death.at)}`;
  const world = await CrashWorld.start();
  try {
    await operation.prepare(world);
    world.point.arm(death);
    const outcome = await world.settle(
      ask(world, operation, door).then(
        () => 'done',
        (error: unknown) => error,
      ),
    );
    world.point.disarm();
    if (!world.point.dead) return `${where}: the operation runs through`;
    if (outcome !== 'done' && !isEnd(outcome, operation) && !isRetryable(outcome)) return `${where}: the caller is told ${told(outcome)}`;
    if (repeats) await repeat(world, operation);
    await world.until(() => world.leftovers().length === 0, 'nothing is left half-made');
    // An answer is a promise: what was told as done is done, and stays.
    if (repeats || outcome === 'done') operation.check(world);
    return undefined;
  } catch (error) {
    return `${where} (${world.point.calls.join()}): ${told(error)}; left: ${world.leftovers().join('; ')}`;
  }
}

function ask(world: CrashWorld, operation: Operation, door: Trial['door']): Promise<unknown> {
  const call = (api: VolplaneApi): Promise<unknown> => operation.ask(api, world);
  return door === 'manager' ? world.first(call) : world.agent(call);
}

/** The caller's one duty: the same call again while the outcome is unknown, at another manager. */
async function repeat(world: CrashWorld, operation: Operation): Promise<void> {
  for (let attempt = 0; attempt < REPEATS_MAX; attempt += 1) {
    try {
      // One after the other, as a caller does.
      await world.settle(world.second((api) => operation.ask(api, world)));
      return;
    } catch (error) {
      if (isEnd(error, operation)) return;
      if (!isRetryable(error)) throw error;
      await world.clock.advance(RETRY_MS);
    }
  }
  throw new Error('the repeated call found no end');
}

function isEnd(error: unknown, operation: Operation): boolean {
  return error instanceof AppError && operation.doneAs?.includes(error.reason) === true;
}

function isRetryable(error: unknown): boolean {
  return error instanceof AppError && ['unavailable', 'deadline', 'aborted'].includes(error.kind);
}

function told(error: unknown): string {
  return error instanceof AppError ? `${error.reason}: ${error.message}` : String(error);
}

const WORLDS_AT_ONCE = 16;
const REPEATS_MAX = 40;
const RETRY_MS = 500;
