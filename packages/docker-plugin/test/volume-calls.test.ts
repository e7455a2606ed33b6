import { AppError, silentLogger, systemRandom } from '@volplane/base';
import { parseDriverName, parseNodeName, type MountId } from '@volplane/domain';
import { ManualClock } from '@volplane/testkit';
import { expect } from 'chai';
import { MountUses } from '../src/mount-uses.js';
import { errorLine } from '../src/plugin-answer.js';
import { VolumeCalls, type DoorApi } from '../src/volume-calls.js';
import { FakeCluster } from './fake-volumes.js';

const CONTEXT = { signal: new AbortController().signal, timeoutMs: 10_000 };
const request = (name: string, id = ''): Parameters<VolumeCalls['call']>[1] => ({ name, id, options: {} });

/** The calls of one plugin without the protocol around them. */
describe('volume calls', () => {
  let cluster: FakeCluster;
  let clock: ManualClock;
  let uses: MountUses;

  beforeEach(() => {
    cluster = new FakeCluster();
    clock = new ManualClock();
    uses = new MountUses(clock);
  });

  function callsOn(api: Partial<DoorApi> = {}): VolumeCalls {
    return new VolumeCalls({
      api: { ...cluster.api('n1'), ...api },
      node: parseNodeName('n1'),
      driver: parseDriverName('shared'),
      scope: 'global',
      uses,
      clock,
      random: systemRandom,
      log: silentLogger,
    });
  }

  it('removes the volume that it has found, never one made meanwhile under the name', async () => {
    const asked: unknown[] = [];
    const calls = callsOn({
      removeVolume: (removal) => {
        asked.push(removal);
        return Promise.resolve();
      },
    });
    await calls.call('create', request('data'), CONTEXT);
    await calls.call('remove', request('data'), CONTEXT);
    expect(asked).to.deep.equal([{ name: 'data', node: 'n1', scope: 'global', uid: cluster.volumes.get('data')?.uid }]);
  });

  it('ends a use although the caller of its unmount has gone: nobody else would', async () => {
    const gone = new AbortController();
    const api = cluster.api('n1');
    const calls = callsOn({
      unmountVolume: async (unmount, context) => {
        gone.abort(new AppError('CANCELLED', 'the caller is gone'));
        context.signal.throwIfAborted();
        await api.unmountVolume(unmount, context);
      },
    });
    await calls.call('create', request('data'), CONTEXT);
    await calls.call('mount', request('data', 'c1'), CONTEXT);
    await calls.call('unmount', request('data', 'c1'), { ...CONTEXT, signal: gone.signal });
    expect(cluster.mountIds('n1', 'data')).to.deep.equal([]);
    expect(uses.holds('data')).to.equal(false);
  });

  it('tries to take a use out again a few times, once at a time, and leaves the rest to the next look', async () => {
    const calls = callsOn();
    cluster.faults.set('unmountVolume', new AppError('NO_MANAGER', 'no manager answers'));
    calls.endUses('data', ['docker:c1']);
    calls.endUses('data', ['docker:c1']);
    for (let minute = 0; minute < 20; minute += 1) await clock.advance(60_000);
    expect(cluster.calls).to.deep.equal(Array.from({ length: 6 }, () => 'unmountVolume data'));
    await calls.close();
  });

  it('does not learn uses from an answer that may be late', async () => {
    const calls = callsOn();
    await calls.call('create', request('data'), CONTEXT);
    await calls.call('mount', request('data', 'c1'), CONTEXT);
    await calls.call('unmount', request('data', 'c1'), CONTEXT);
    // As read before the unmount.
    cluster.mounts.set('n1/data', new Set(['docker:c1' as MountId]));
    await calls.call('get', request('data'), CONTEXT);
    expect(uses.holds('data')).to.equal(false);
  });

  it('remembers a bounded number of volumes, and those in use whatever their number', async () => {
    const calls = callsOn();
    for (const name of ['used', 'forgotten']) await calls.call('create', request(name), CONTEXT);
    await calls.call('mount', request('used', 'c1'), CONTEXT);
    for (let number = 0; number < 10_001; number += 1) await calls.call('create', request(`data${String(number)}`), CONTEXT);
    cluster.calls.length = 0;
    for (const name of ['forgotten', 'data10000']) await calls.call('path', request(name), CONTEXT);
    expect(cluster.calls.filter((call) => call.startsWith('getVolume'))).to.deep.equal(['getVolume forgotten']);
    cluster.faults.set('getVolume', new AppError('NO_MANAGER', 'no manager answers'));
    expect((await calls.call('get', request('used'), CONTEXT)).answer.Volume).to.have.nested.property('Status.note');
  });

  it('leaves out a time of creation that an engine could not read', async () => {
    const calls = callsOn();
    await calls.call('create', request('data'), CONTEXT);
    const view = cluster.volumes.get('data');
    if (view !== undefined) cluster.volumes.set('data', { ...view, createdAt: '' });
    expect((await calls.call('get', request('data'), CONTEXT)).answer.Volume).to.not.have.property('CreatedAt');
  });

  it('bounds the line of an error, which engines log whole', () => {
    expect(errorLine(new AppError('VOLUME_ATTACHED', 'x'.repeat(20_000)))).to.have.length(8_000);
  });
});
