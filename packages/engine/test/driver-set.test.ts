import { noTelemetry, silentLogger } from '@volplane/base';
import type { VolumeName, VolumeUid } from '@volplane/domain';
import type { DriverPrograms } from '@volplane/ports';
import { ManualClock, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { DriverSet } from '../src/agent/driver-set.js';
import { Recovery } from '../src/agent/recovery.js';

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
