import { systemClock } from '@volplane/base';
import { expect } from 'chai';
import { waitFor } from '../wait-for.js';
import { only, put, transaction, unchanged, write, type KvTrial } from './kv-trial.js';
import { eventText, recordWatch } from './watch-recorder.js';

export function kvLeaseTests(trial: () => KvTrial): void {
  it('grants whole seconds, at least what was asked for', async () => {
    const { kv } = trial();
    const first = await kv.grantLease(4_001);
    const second = await kv.grantLease(5_000);
    expect([first.ttlMs, second.ttlMs]).to.deep.equal([5_000, 5_000]);
    expect(first.lease).to.match(/^[1-9][0-9]*$/);
    expect(first.lease).to.not.equal(second.lease);
    expect((await kv.grantLease(1)).ttlMs).to.be.at.least(1_000);
  });

  it('deletes the keys of an expired lease at one revision, and the watch sees it', async () => {
    const { kv, prefix, letTimePass } = trial();
    await write(kv, put(`${prefix}stays`, 'x'));
    // Where the machine stands still for a moment, a lease ends before it has its keys.
    const { lease, ttlMs, revision } = await waitFor(
      async () => {
        const granted = await kv.grantLease(1_000);
        const written = await write(kv, put(`${prefix}b`, 'x', granted.lease), put(`${prefix}a`, 'x', granted.lease));
        return written.succeeded && { ...granted, revision: written.revision };
      },
      { what: 'a lease has two keys' },
    );
    const record = recordWatch(kv, { prefix, fromRevision: revision + 1 });
    await letTimePass(ttlMs);
    await waitFor(() => record.events.length >= 2, { what: 'the watch saw both deletes' });
    expect(record.events.map(eventText)).to.deep.equal([
      `delete ${prefix}a@${String(revision + 1)}`,
      `delete ${prefix}b@${String(revision + 1)}`,
    ]);
    expect((await kv.range({ prefix, limit: 10 })).entries.map(({ key }) => key)).to.deep.equal([`${prefix}stays`]);
    expect(await kv.keepAliveLease(lease)).to.equal(false);
    expect((await only(kv, transaction([{ type: 'lease', key: `${prefix}a`, lease }], []))).succeeded).to.equal(false);
    record.watch.close();
    expect(record.breaches).to.deep.equal([]);
  });

  it('keeps a lease that is refreshed, while another one expires', async () => {
    const { kv, prefix, letTimePass } = trial();
    let refreshedMs = systemClock.monotonicMs();
    const kept = await kv.grantLease(3_000);
    const left = await kv.grantLease(3_000);
    await write(kv, put(`${prefix}kept`, 'x', kept.lease), put(`${prefix}left`, 'x', left.lease));
    const end = await waitFor(
      async () => {
        const askedMs = systemClock.monotonicMs();
        if (!(await kv.keepAliveLease(kept.lease))) return { lostAfterMs: systemClock.monotonicMs() - refreshedMs };
        refreshedMs = askedMs;
        await letTimePass(1_000);
        return (await kv.get(`${prefix}left`)).entry === undefined && { lostAfterMs: undefined };
      },
      { what: 'the lease that nobody refreshes expired' },
    );
    if (end.lostAfterMs !== undefined) {
      // Right only where this process, or its machine, stood still for so long; then this trial shows nothing.
      expect(end.lostAfterMs, 'since the refresh before').to.be.at.least(kept.ttlMs);
      return;
    }
    expect((await kv.get(`${prefix}kept`)).entry?.lease).to.equal(kept.lease);
    // Left to expire, it would make a revision in the middle of a later test that counts them.
    await kv.revokeLease(kept.lease);
  });

  it('deletes the keys of a revoked lease; to revoke it again, or one that never was, is fine', async () => {
    const { kv, prefix } = trial();
    const { lease } = await kv.grantLease(600_000);
    await write(kv, put(`${prefix}a`, 'x', lease));
    await kv.revokeLease(lease);
    expect((await kv.get(`${prefix}a`)).entry).to.equal(undefined);
    await kv.revokeLease(lease);
    await kv.revokeLease('123456789');
    expect(await kv.keepAliveLease(lease)).to.equal(false);
  });

  it('spares a key that was written again without the lease, or with another one', async () => {
    const { kv, prefix } = trial();
    const { lease } = await kv.grantLease(600_000);
    const { lease: other } = await kv.grantLease(600_000);
    await write(kv, put(`${prefix}a`, 'x', lease), put(`${prefix}b`, 'x', lease), put(`${prefix}c`, 'x', lease));
    await write(kv, put(`${prefix}a`, 'y'), put(`${prefix}b`, 'y', other));
    await kv.revokeLease(lease);
    expect((await kv.range({ prefix, limit: 10 })).entries.map(({ key }) => key)).to.deep.equal([`${prefix}a`, `${prefix}b`]);
    await kv.revokeLease(other);
    expect((await kv.range({ prefix, limit: 10 })).entries.map(({ key }) => key)).to.deep.equal([`${prefix}a`]);
  });

  it('revokes a lease without keys at no revision', async () => {
    const { kv } = trial();
    const before = await kv.currentRevision();
    const { lease } = await kv.grantLease(600_000);
    await kv.revokeLease(lease);
    expect(await kv.currentRevision()).to.equal(before);
  });

  it('answers many refreshes at once, each for its own lease', async () => {
    const { kv } = trial();
    const leases = await Promise.all(Array.from({ length: 20 }, () => kv.grantLease(600_000)));
    const gone = new Set(leases.filter((_, index) => index % 3 === 0).map(({ lease }) => lease));
    await Promise.all([...gone].map((lease) => kv.revokeLease(lease)));
    const asked = [...leases, ...leases].map(({ lease }) => lease);
    const answers = await Promise.all(asked.map((lease) => kv.keepAliveLease(lease)));
    expect(answers).to.deep.equal(asked.map((lease) => !gone.has(lease)));
  });

  it('refuses a write that is fenced with a session key whose lease is gone', async () => {
    const { kv, prefix } = trial();
    const { lease } = await kv.grantLease(600_000);
    await write(kv, put(`${prefix}session`, 'node', lease));
    const fenced = transaction(
      [{ type: 'lease', key: `${prefix}session`, lease }, unchanged(`${prefix}grant`, 0)],
      [put(`${prefix}grant`, 'x')],
    );
    await kv.revokeLease(lease);
    expect((await only(kv, fenced)).succeeded).to.equal(false);
    const { lease: next } = await kv.grantLease(600_000);
    await write(kv, put(`${prefix}session`, 'node', next));
    expect((await only(kv, fenced)).succeeded).to.equal(false);
    expect((await kv.get(`${prefix}grant`)).entry).to.equal(undefined);
  });
}
