import { AppError, seededRandom, silentLogger } from '@volplane/base';
import type { Incarnation, SessionId } from '@volplane/domain';
import { gate, ManualClock } from '@volplane/testkit';
import { expect } from 'chai';
import { GuardianReport } from '../src/agent/guardian-report.js';
import type { LiveSession, SessionListener } from '../src/agent/agent-session.js';

/** Rule 20 of docs/ownership.md: a dead guardian is on record, and a living one takes the record away only when every mount is armed. */
describe('GuardianReport', () => {
  const live: LiveSession = { session: '7' as SessionId, incarnation: 'a'.repeat(16) as Incarnation }; // as their parsers take them
  let clock: ManualClock;
  let alive: boolean;
  let told: boolean[];
  let work: (unguarded: boolean) => Promise<void>;
  let armAll: () => Promise<void>;
  let change: () => void;
  let begin: () => void;
  let recorded: (unguarded: boolean) => void;
  let turns: number[];
  let ending: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    clock = new ManualClock();
    alive = true;
    told = [];
    turns = [];
    work = () => Promise.resolve();
    armAll = () => Promise.resolve();
    ending = new AbortController();
    let onChange: () => void = () => undefined;
    let listener: SessionListener = {};
    const report = new GuardianReport({
      guardian: {
        get alive() {
          return alive;
        },
        onChange: (call) => {
          onChange = () => {
            call(alive);
          };
        },
      },
      session: {
        current: () => live,
        listen: (each) => {
          listener = each;
        },
      },
      tell: async (unguarded, turn) => {
        told.push(unguarded);
        turns.push(turn);
        await work(unguarded);
      },
      armAll: () => armAll(),
      clock,
      random: seededRandom(1),
      log: silentLogger,
    });
    change = () => {
      onChange();
    };
    begin = () => listener.onBegan?.(live);
    recorded = (unguarded) => listener.onGuardRecord?.(unguarded);
    running = report.run(ending.signal);
  });

  afterEach(async () => {
    ending.abort();
    await clock.advance(1);
    await running;
  });

  const turn = async (isAlive: boolean): Promise<void> => {
    alive = isAlive;
    change();
    await clock.advance(0);
  };

  it('tells each change once, and the state again in each session', async () => {
    await clock.advance(0);
    await turn(false);
    await turn(true);
    expect(told).to.deep.equal([false, true, false]);
    await clock.advance(600_000);
    expect(told).to.have.length(3);
    begin();
    await clock.advance(0);
    expect(told).to.deep.equal([false, true, false, false]);
  });

  it('tells of a dead guardian again until a manager has recorded it', async () => {
    await clock.advance(0);
    work = () => Promise.reject(new AppError('NO_MANAGER', 'nobody there'));
    await turn(false);
    await clock.advance(10_000);
    const tries = told.length;
    expect(tries).to.be.above(3);
    work = () => Promise.resolve();
    await clock.advance(10_000);
    expect(told.slice(1)).to.deep.equal(Array(tries).fill(true));
  });

  it('has one message on its way at a time: the older one can never be carried out last', async () => {
    await clock.advance(0);
    const answer = gate();
    work = () => answer.opened;
    await turn(false);
    await turn(true);
    expect(told).to.deep.equal([false, true]);
    answer.open();
    await clock.advance(5_000);
    expect(told).to.deep.equal([false, true, false]);
  });

  it('tells the state again when the record is another, each time with a higher turn', async () => {
    await clock.advance(0);
    recorded(false);
    await turn(false);
    recorded(true);
    await clock.advance(0);
    expect(told).to.deep.equal([false, true]);
    recorded(false);
    await clock.advance(0);
    await turn(true);
    recorded(true);
    await clock.advance(0);
    expect(told).to.deep.equal([false, true, true, false, false]);
    expect(turns).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('calls the node guarded only when every lease-bound mount is armed', async () => {
    await clock.advance(0);
    await turn(false);
    armAll = () => Promise.reject(new AppError('GUARDIAN_DOWN', 'not armed'));
    await turn(true);
    await clock.advance(10_000);
    expect(told).to.deep.equal([false, true]);
    armAll = () => Promise.resolve();
    await clock.advance(10_000);
    expect(told).to.deep.equal([false, true, false]);
  });
});
