import { hasReason } from '@volplane/base';
import { recordWatch, startEtcdCluster, waitFor, type EtcdServer } from '@volplane/testkit';
import { expect } from 'chai';
import { EtcdKv } from '../src/index.js';
import { create, put } from './writes.js';

describe('EtcdKv on a cluster of three', () => {
  let members: readonly EtcdServer[];
  let kv: EtcdKv;

  before(async () => {
    members = await startEtcdCluster(3);
    kv = await EtcdKv.open({ endpoints: members.flatMap(({ endpoints }) => endpoints), callTimeoutMs: 3_000 });
  });

  after(async () => {
    await kv.close();
    await Promise.all(members.map((member) => member.stop()));
  });

  for (const [name, fail, repair] of failures()) {
    it(`goes on while one member after the other is ${name}: writes, refreshes and a watch without a gap`, async () => {
      await waitFor(() => kv.currentRevision(), { what: 'etcd answers' });
      const prefix = `/cluster/${name}/`;
      const record = recordWatch(kv, { prefix, fromRevision: (await kv.currentRevision()) + 1 });
      const { lease } = await waitFor(() => kv.grantLease(600_000), { what: 'a lease is granted' });
      let made: readonly string[] = [];
      let stop = false;
      const writing = (async () => {
        for (let index = 0; !stop; index += 1) {
          const key = `${prefix}${String(index)}`;
          // One after the other; an unclear answer is followed up by reading.
          if (await isMade(kv, key)) made = [...made, key];
        }
      })();
      for (const member of members) {
        const goal = made.length + 20;
        await waitFor(() => made.length >= goal, { what: 'writes go through' });
        await fail(member);
        const after = made.length + 20;
        await waitFor(() => made.length >= after, { what: 'writes go through without that member' });
        expect(await waitFor(() => kv.keepAliveLease(lease), { what: 'the lease is refreshed' })).to.equal(true);
        await repair(member);
      }
      stop = true;
      await writing;
      const last = await waitFor(() => kv.transact([put(`${prefix}last`, 'x')]), { what: 'a last write' });
      await waitFor(() => record.revision >= (last[0]?.revision ?? 0), { what: 'the watch told of the last write' });
      const told = record.events.map((event) => (event.type === 'put' ? event.entry.key : event.key));
      expect(new Set(told).size).to.equal(told.length - doubles(told, `${prefix}last`));
      for (const key of made) expect(told).to.include(key);
      expect(record.ended).to.equal(undefined);
      expect(record.breaches).to.deep.equal([]);
      record.watch.close();
    });
  }
});

type Change = (member: EtcdServer) => Promise<void>;

function failures(): readonly (readonly [string, Change, Change])[] {
  return [
    ['killed', (member) => member.kill(), (member) => member.restart()],
    [
      'stopped',
      (member) => {
        member.pause();
        return Promise.resolve();
      },
      (member) => {
        member.resume();
        return Promise.resolve();
      },
    ],
  ];
}

/** Creates the key, whatever fails on the way; false when it certainly is not there. */
async function isMade(kv: EtcdKv, key: string): Promise<boolean> {
  try {
    const [outcome] = await kv.transact([create(key, 'x')]);
    return outcome?.succeeded === true;
  } catch (error) {
    if (hasReason(error, 'STORE_UNAVAILABLE')) return false;
    if (!hasReason(error, 'UNKNOWN_OUTCOME')) throw error;
  }
  const read = await waitFor(() => kv.get(key), { what: `${key} can be read` });
  return read.entry !== undefined;
}

/** `last` may be written twice when its first answer was lost. */
function doubles(keys: readonly string[], last: string): number {
  return Math.max(0, keys.filter((key) => key === last).length - 1);
}
