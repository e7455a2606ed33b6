import { silentLogger } from '@volplane/base';
import { parseDriverName, type VolumeUid } from '@volplane/domain';
import type { ArmedMount, Guardian } from '@volplane/ports';
import { FAKE_CAPABILITIES, ManualClock, rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { LeaseGuard } from '../src/agent/lease-guard.js';

/** The takeover policy `lease` on one node: kept, or refused where it cannot be kept (rules 6, 7 and 19 of docs/ownership.md). */
describe('LeaseGuard', () => {
  const uid = 'c'.repeat(32) as VolumeUid; // as its parser takes it
  const volume = { name: 'data', uid, options: {}, epoch: 2 } as Parameters<LeaseGuard['mount']>[1];
  const info = { name: parseDriverName('image'), capabilities: { ...FAKE_CAPABILITIES, abort: true }, options: {} };
  const able = { info, abortTarget: () => Promise.resolve({ path: '/mnt/data', method: 'shutdown' as const }) };
  let steps: string[];
  let armed: ArmedMount[];
  let alive: boolean;
  let guard: LeaseGuard;
  let remainingMs: number;
  let clock: ManualClock;
  let tell: (alive: boolean) => void;

  beforeEach(() => {
    steps = [];
    armed = [];
    alive = true;
    clock = new ManualClock();
    const guardian: Guardian = {
      get alive() {
        return alive;
      },
      onChange: (listener) => {
        tell = (now) => {
          alive = now;
          listener(now);
        };
      },
      now: () => 1_000,
      arm: (mount) => {
        steps.push('armed');
        armed.push(mount);
        return Promise.resolve();
      },
      extend: () => undefined,
      gate: async (_, __, mount) => {
        steps.push('gate');
        return await mount();
      },
      disarm: () => Promise.resolve(),
      list: () => Promise.resolve(armed),
    };
    remainingMs = 4_000;
    guard = new LeaseGuard({ guardian, remainingMs: () => remainingMs, clock, log: silentLogger });
  });

  const mount = (): Promise<string> => {
    steps.push('mounted');
    return Promise.resolve('/mnt/data');
  };

  it('arms with the deadline of the session, then mounts behind the gate', async () => {
    expect(await guard.mount(able, volume, mount)).to.equal('/mnt/data');
    expect(steps).to.deep.equal(['armed', 'gate', 'mounted']);
    expect(armed).to.deep.equal([{ uid, target: '/mnt/data', method: 'shutdown', deadlineMs: 5_000 }]);
  });

  it('refuses a volume that cannot be aborted on this node, and one of a driver that aborts nothing', async () => {
    for (const driver of [{ ...able, abortTarget: () => Promise.resolve(undefined) }, { info }]) {
      const error = await rejection(guard.mount(driver, volume, mount));
      expect(error).to.include({ reason: 'CAPABILITY_MISSING' });
      expect(error.message).to.contain('takeover policy lease cannot be kept');
    }
    expect(steps).to.deep.equal([]);
  });

  it('arms what the guardian does not know, and leaves alone what it does', async () => {
    const granted = {
      uid,
      epoch: 2,
      spec: { driver: info.name, options: {}, labels: {}, accessMode: 'single-node-writer', takeover: 'lease' },
    };
    const record = { name: 'data', seq: 1, session: '7', mode: 'rw', state: 'held', mountIds: ['c1'], granted } as unknown as Held; // whatever else a record has is not looked at
    await guard.rearm(able, volume, record);
    await guard.rearm(able, volume, record);
    expect(armed).to.have.length(1);
    await guard.rearm(able, volume, {
      ...record,
      granted: { ...granted, spec: { ...granted.spec, takeover: 'manual' } },
    } as unknown as Held);
    expect(steps).to.deep.equal(['armed']);
  });

  it('arms with a deadline that has passed while the session is not back: the old one is not known to anybody', async () => {
    const spec = { driver: info.name, options: {}, labels: {}, accessMode: 'single-node-writer', takeover: 'lease' };
    const record = { name: 'data', state: 'held', mountIds: ['c1'], granted: { uid, epoch: 2, spec } } as unknown as Held; // whatever else a record has is not looked at
    remainingMs = -7;
    await guard.rearm(able, volume, record);
    expect(armed).to.deep.equal([{ uid, target: '/mnt/data', method: 'shutdown', deadlineMs: 993 }]);
  });

  it('mounts nothing where there is no guardian at all', async () => {
    const alone = new LeaseGuard({ guardian: undefined, remainingMs: () => 4_000, clock, log: silentLogger });
    expect(await rejection(alone.mount(able, volume, mount))).to.have.property('reason', 'UNGUARDED');
    expect(steps).to.deep.equal([]);
  });

  it('waits a moment for a guardian that is being started', async () => {
    tell(false);
    const mounting = guard.mount(able, volume, mount);
    expect(steps).to.deep.equal([]);
    tell(true);
    expect(await mounting).to.equal('/mnt/data');
  });

  it('mounts nothing while the guardian stays dead, and asks for another try', async () => {
    tell(false);
    const refused = rejection(guard.mount(able, volume, mount));
    await clock.advance(2_000);
    const error = await refused;
    expect(error).to.include({ reason: 'GUARDIAN_DOWN', kind: 'unavailable' });
    expect(steps).to.deep.equal([]);
  });
});

type Held = Parameters<LeaseGuard['rearm']>[2];
