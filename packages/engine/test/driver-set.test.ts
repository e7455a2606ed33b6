import { AppError, noTelemetry, silentLogger } from '@volplane/base';
import type { VolumeName, VolumeUid } from '@volplane/domain';
import type { DriverPrograms } from '@volplane/ports';
import { gate, ManualClock, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { DriverSet } from '../src/agent/driver-set.js';
import { Recovery, type Recoverable } from '../src/agent/recovery.js';

/** Rule 18 of docs/ownership.md inside one agent: while something of an earlier call hangs, its volume waits, and no other one. */
describe('calls of drivers and programs that are left', () => {
  const [HELD, FREE] = ['a', 'b'].map((letter) => letter.repeat(32)) as [VolumeUid, VolumeUid]; // 32 hexadecimal characters is what a uid is
  let left: Set<VolumeUid>;
  let begun: VolumeUid[];
  let gone: () => void;
  let programs: DriverPrograms;
  let drivers: DriverSet;
  let clock: ManualClock;

  beforeEach(() => {
    clock = new ManualClock();
    left = new Set([HELD]);
    begun = [];
    programs = {
      begin: (uid) => {
        begun.push(uid);
        return () => begun.splice(begun.indexOf(uid), 1);
      },
      leftFor: (uid) => (left.has(uid) ? 'a mount hangs' : undefined),
      onGone: (listener) => {
        gone = () => {
          left.clear();
          listener();
        };
      },
    };
    drivers = new DriverSet([], { clock, telemetry: noTelemetry, programs });
  });

  it('are refused, and can be repeated, for its own volume alone', async () => {
    let calls = 0;
    const work = (): Promise<number> => Promise.resolve((calls += 1));
    const error = await rejection(drivers.run('mount of volume data', HELD, 1_000, work));
    expect(error).to.include({ reason: 'DRIVER_UNAVAILABLE', kind: 'unavailable' });
    expect(error.message).to.equal('mount of volume data was not begun: a mount hangs');
    expect(await drivers.run('mount of volume other', FREE, 1_000, work)).to.equal(1);
    left.clear();
    expect(await drivers.run('mount of volume data', HELD, 1_000, work)).to.equal(2);
  });

  it('still cut the volume off', async () => {
    let cuts = 0;
    await drivers.cutOff('abort of volume data', HELD, async () => {
      cuts += 1;
    });
    expect(cuts).to.equal(1);
  });

  it('are told to whoever remembers programs, from their beginning to their end', async () => {
    let seen: readonly VolumeUid[] = [];
    await drivers.run('mount of volume other', FREE, 1_000, async () => {
      seen = [...begun];
    });
    expect(seen).to.deep.equal([FREE]);
    expect(begun).to.deep.equal([]);
  });

  it('are repeated by the recovery as soon as it is gone, also for what waits for nothing else', async () => {
    const name = 'data' as VolumeName; // as its parser takes it
    const recovered: string[] = [];
    const part = {
      unsettled: () => [],
      recover: (each: VolumeName) =>
        drivers.run(`inspection of volume ${each}`, HELD, 1_000, async () => {
          recovered.push(each);
        }),
    };
    const recovery = new Recovery({ parts: [part], clock, log: silentLogger });
    programs.onGone(() => {
      recovery.again();
    });
    recovery.begin([{ part, name }]);
    await waitFor(() => recovery.waiting === 1, { what: 'the first try to fail' });
    gone();
    await waitFor(() => recovery.waiting === 0, { what: 'the second try to succeed' });
    expect(recovered).to.deep.equal([name]);
    gone();
    expect(recovered).to.have.length(1);
  });
});

describe('recovery', () => {
  const name = 'data' as VolumeName; // as its parser takes it
  let clock: ManualClock;
  let recovery: Recovery;
  let end: AbortController;
  let running: Promise<void>;

  /** A part with one volume, whose recovery is refused `failures` times. */
  function partOf(failures: number): Recoverable & { tries: number } {
    return {
      tries: 0,
      unsettled: () => [],
      async recover() {
        this.tries += 1;
        if (this.tries <= failures) throw new AppError('DRIVER_UNAVAILABLE', 'no answer');
      },
    };
  }

  function begin(parts: readonly Recoverable[]): void {
    clock = new ManualClock();
    end = new AbortController();
    recovery = new Recovery({ parts, clock, log: silentLogger });
    recovery.begin(parts.map((part) => ({ part, name })));
    running = recovery.run(end.signal);
  }

  afterEach(async () => {
    end.abort();
    await running;
  });

  it('tries again what did not succeed, also what waits for nothing else', async () => {
    const part = partOf(2);
    begin([part]);
    await waitFor(() => recovery.waiting === 1, { what: 'the first try to fail' });
    for (let step = 0; step < 20; step += 1) await clock.advance(5_000);
    expect(part.tries).to.equal(3);
    expect(recovery.waiting).to.equal(0);
  });

  it('takes a local and a global volume of one name for two', async () => {
    const parts = [partOf(0), partOf(0)];
    begin(parts);
    await clock.advance(0);
    expect(parts.map(({ tries }) => tries)).to.deep.equal([1, 1]);
  });
});

describe('calls of drivers for one volume', () => {
  const UID = 'c'.repeat(32) as VolumeUid; // 32 hexadecimal characters is what a uid is
  let clock: ManualClock;
  let drivers: DriverSet;

  beforeEach(() => {
    clock = new ManualClock();
    drivers = new DriverSet([], { clock, telemetry: noTelemetry });
  });

  it('begin after the one before has ended, however it ended', async () => {
    const hold = gate();
    const told: string[] = [];
    const first = rejection(
      drivers.run('first', UID, 1_000, async () => {
        await hold.opened;
        told.push('first');
        throw new AppError('DRIVER_FAILED', 'no');
      }),
    );
    const second = drivers.run('second', UID, 1_000, async () => {
      told.push('second');
    });
    await drivers.run('other', 'd'.repeat(32) as VolumeUid, 1_000, async () => {
      told.push('other');
    });
    hold.open();
    expect((await first).reason).to.equal('DRIVER_FAILED');
    await second;
    expect(told).to.deep.equal(['other', 'first', 'second']);
    expect(clock.waiting).to.equal(0);
  });

  it('begin after all that came before, also when only some of it has ended', async () => {
    const holds = [gate(), gate()];
    const running = holds.map((hold, index) => drivers.run(`call ${String(index)}`, UID, 1_000, () => hold.opened));
    holds[0]?.open();
    await running[0];
    let begun = false;
    const third = drivers.run('third', UID, 1_000, async () => {
      begun = true;
    });
    await clock.advance(1);
    expect(begun).to.equal(false);
    holds[1]?.open();
    await third;
  });

  it('are told to stop at their bound, and what comes then is not begun before they have', async () => {
    const hold = gate();
    let aborted: unknown;
    let begun = 0;
    const slow = rejection(
      drivers.run('slow', UID, 1_000, async (signal) => {
        await hold.opened;
        aborted = signal.reason;
      }),
    );
    await clock.advance(1_000);
    const late = await slow;
    expect(late.reason).to.equal('UNKNOWN_OUTCOME');
    const next = (): Promise<void> =>
      drivers.run('next', UID, 1_000, async () => {
        begun += 1;
      });
    const refused = rejection(next());
    await clock.advance(1_000);
    expect((await refused).reason).to.equal('DRIVER_UNAVAILABLE');
    expect(drivers.waiting).to.equal(0);
    const waiting = next();
    hold.open();
    await waiting;
    expect(aborted).to.equal(late);
    expect(begun).to.equal(1);
  });
});
