import { KvCompacted } from '@volplane/ports';
import { expect } from 'chai';
import { waitFor } from '../wait-for.js';
import { put, remove, transaction, write, type KvTrial } from './kv-trial.js';
import { eventText, recordWatch, revisionOf, type WatchRecord } from './watch-recorder.js';

export function kvWatchTests(trial: () => KvTrial): void {
  describe('of one writer', () => {
    deliveryTests(trial);
  });
  describe('of many writers', () => {
    concurrencyTests(trial);
  });
  describe('that end', () => {
    endTests(trial);
  });
}

/** These come last: a store may make revisions of its own for progress, which would disturb tests that count them. */
export function kvProgressTests(trial: () => KvTrial): void {
  it('reports progress on request, also when nothing under its prefix changed', async () => {
    const { kv, prefix } = trial();
    const record = recordWatch(kv, { prefix, fromRevision: (await kv.currentRevision()) + 1 });
    const { revision } = await write(kv, put(`${prefix.slice(0, -1)}-elsewhere`, 'x'));
    await waitFor(
      () => {
        record.watch.requestProgress();
        return record.revision >= revision;
      },
      { what: `progress reached ${String(revision)}` },
    );
    expect(record.events).to.deep.equal([]);
    expect((await kv.range({ prefix, limit: 10 })).entries).to.deep.equal([]);
    close(record);
  });

  it('shows nothing of what it keeps for progress to a reader of pages', async () => {
    const { kv, prefix } = trial();
    const record = recordWatch(kv, { prefix: `${prefix}a`, fromRevision: (await kv.currentRevision()) + 1 });
    const { revision } = await write(kv, put(`${prefix}b`, 'x'));
    await waitFor(
      () => {
        record.watch.requestProgress();
        return record.revision >= revision;
      },
      { what: `progress reached ${String(revision)}` },
    );
    const page = await kv.range({ prefix, limit: 1 });
    expect(page.entries.map(({ key }) => key)).to.deep.equal([`${prefix}b`]);
    expect(page.more).to.equal(false);
    close(record);
  });

  it('never reports progress before the events up to it', async () => {
    const { kv, prefix } = trial();
    const reports: { readonly revision: number; readonly seen: number }[] = [];
    const record = recordWatch(kv, { prefix, fromRevision: (await kv.currentRevision()) + 1 }, (revision) => {
      reports.push({ revision, seen: record.events.length });
    });
    let writing = true;
    const asking = async (): Promise<void> => {
      while (writing) {
        record.watch.requestProgress();
        await kv.currentRevision();
      }
    };
    const writingAll = async (): Promise<void> => {
      try {
        await Promise.all(Array.from({ length: 3 }, (_, writer) => writeMany(trial(), writer, 60)));
      } finally {
        writing = false;
      }
    };
    await Promise.all([asking(), writingAll()]);
    await waitFor(
      () => {
        record.watch.requestProgress();
        return reports.length > 0 && record.events.length >= 180;
      },
      { what: 'every event and a progress report came' },
    );
    for (const { revision, seen } of reports) {
      expect(record.events.slice(seen).every((event) => revisionOf(event) > revision)).to.equal(
        true,
        `progress ${String(revision)} came early`,
      );
    }
    close(record);
  });

  it('can be closed from within a callback', async () => {
    const { kv, prefix } = trial();
    const { revision } = await write(kv, put(`${prefix}a`, '1'));
    let calls = 0;
    const watch = kv.watch(
      { prefix, fromRevision: revision },
      {
        onEvents() {
          calls += 1;
          watch.close();
        },
        onProgress() {
          calls += 100;
        },
        onEnd() {
          calls += 10_000;
        },
      },
    );
    watch.requestProgress();
    await waitFor(() => calls > 0, { what: 'the watch delivered' });
    const other = recordWatch(kv, { prefix, fromRevision: revision });
    const { revision: second } = await write(kv, put(`${prefix}a`, '2'));
    await reaches(other, second);
    expect(calls).to.equal(1);
    close(other);
  });
}

function deliveryTests(trial: () => KvTrial): void {
  it('delivers what was written before it was opened, and what is written after', async () => {
    const { kv, prefix } = trial();
    const { revision: first } = await write(kv, put(`${prefix}a`, '1'));
    const { revision: second } = await write(kv, put(`${prefix}b`, '2'));
    const record = recordWatch(kv, { prefix, fromRevision: second });
    const { revision: third } = await write(kv, put(`${prefix}a`, '3'));
    const { revision: fourth } = await write(kv, remove(`${prefix}b`));
    await reaches(record, fourth);
    expect(record.events.map(eventText)).to.deep.equal([
      `put ${prefix}b=2@${String(second)} c${String(second)}`,
      `put ${prefix}a=3@${String(third)} c${String(first)}`,
      `delete ${prefix}b@${String(fourth)}`,
    ]);
    close(record);
  });

  it('delivers from a revision that is still to come', async () => {
    const { kv, prefix } = trial();
    const now = await kv.currentRevision();
    const record = recordWatch(kv, { prefix, fromRevision: now + 2 });
    await write(kv, put(`${prefix}a`, 'too early'));
    const { revision } = await write(kv, put(`${prefix}a`, 'expected'));
    await reaches(record, revision);
    expect(record.events.length).to.equal(1);
    close(record);
  });

  it('shows leases', async () => {
    const { kv, prefix } = trial();
    const { lease } = await kv.grantLease(600_000);
    const { revision } = await write(kv, put(`${prefix}a`, 'x', lease));
    const record = recordWatch(kv, { prefix, fromRevision: revision });
    await reaches(record, revision);
    expect(record.events.map(eventText)).to.deep.equal([`put ${prefix}a=x@${String(revision)} c${String(revision)} l${lease}`]);
    close(record);
  });

  it('delivers a whole revision at once', async () => {
    const { kv, prefix } = trial();
    const from = (await kv.currentRevision()) + 1;
    const record = recordWatch(kv, { prefix, fromRevision: from });
    const batch = Array.from({ length: 32 }, (_, index) => transaction([], [put(`${prefix}${String(index)}`, 'x')]));
    await kv.transact(batch);
    const late = recordWatch(kv, { prefix, fromRevision: from });
    for (const one of [record, late]) {
      await reaches(one, from);
      expect(one.events.length).to.equal(32);
      expect(one.batches).to.deep.equal([from]);
      close(one);
    }
  });

  it('delivers more bytes than one message can carry', async () => {
    const { kv, prefix } = trial();
    const from = (await kv.currentRevision()) + 1;
    const value = 'x'.repeat(300_000);
    for (let index = 0; index < 30; index += 1)
      await write(kv, put(`${prefix}${String(index)}`, value), put(`${prefix}small`, String(index)));
    const record = recordWatch(kv, { prefix, fromRevision: from });
    await reaches(record, from + 29);
    expect(record.events.length).to.equal(60);
    expect(record.events.filter((event) => event.type === 'put' && event.entry.value.length === value.length).length).to.equal(30);
    close(record);
  });

  it('goes on through a compaction behind it', async () => {
    const { kv, prefix, compact } = trial();
    const { revision } = await write(kv, put(`${prefix}a`, '1'));
    const record = recordWatch(kv, { prefix, fromRevision: revision });
    await reaches(record, revision);
    for (let index = 0; index < 5; index += 1) await write(kv, put(`${prefix.slice(0, -1)}-elsewhere`, String(index)));
    await compact(revision + 5);
    const last = await write(kv, put(`${prefix}a`, '2'));
    await reaches(record, last.revision);
    expect(record.events.length).to.equal(2);
    close(record);
  });
}

function concurrencyTests(trial: () => KvTrial): void {
  it('leaves no gap and gives nothing twice, whenever it is opened', async () => {
    const { kv, prefix } = trial();
    const from = (await kv.currentRevision()) + 1;
    const records: WatchRecord[] = [recordWatch(kv, { prefix, fromRevision: from })];
    const writers = Array.from({ length: 4 }, (_, writer) => writeMany(trial(), writer, 40));
    const opening = async (): Promise<void> => {
      for (let index = 0; index < 6; index += 1) {
        const revision = await kv.currentRevision();
        records.push(recordWatch(kv, { prefix, fromRevision: from }), recordWatch(kv, { prefix, fromRevision: revision }));
      }
    };
    const [written] = await Promise.all([Promise.all(writers), opening()]);
    const expected = written.flat().sort((left, right) => left.revision - right.revision);
    const last = expected.at(-1)?.revision ?? 0;
    for (const record of records) {
      await reaches(record, last);
      const first = revisionOf(record.events[0]);
      expect(record.events.map(shortText)).to.deep.equal(expected.filter(({ revision }) => revision >= first).map(({ text }) => text));
      close(record);
    }
    for (const record of records.filter((_, index) => index % 2 === 1 || index === 0))
      expect(record.events.length).to.equal(expected.length);
  });
}

function endTests(trial: () => KvTrial): void {
  it('ends with KvCompacted when its revision was compacted away', async () => {
    const { kv, prefix, compact } = trial();
    const { revision } = await write(kv, put(`${prefix}a`, '1'));
    await write(kv, put(`${prefix}a`, '2'));
    const { revision: last } = await write(kv, put(`${prefix}a`, '3'));
    await compact(last);
    const record = recordWatch(kv, { prefix, fromRevision: revision });
    await waitFor(() => record.ended !== undefined, { what: 'the watch ended' });
    expect(record.ended).to.be.instanceOf(KvCompacted).with.property('atRevision', revision);
    expect(record.events).to.deep.equal([]);
    await write(kv, put(`${prefix}a`, '4'));
    record.watch.close();
    record.watch.requestProgress();
    expect(record.breaches).to.deep.equal([]);
  });

  it('delivers nothing after close, which can be called twice', async () => {
    const { kv, prefix } = trial();
    const from = (await kv.currentRevision()) + 1;
    const closed = recordWatch(kv, { prefix, fromRevision: from });
    const open = recordWatch(kv, { prefix, fromRevision: from });
    await write(kv, put(`${prefix}a`, '1'));
    await reaches(open, from);
    await reaches(closed, from);
    close(closed);
    close(closed);
    const { revision } = await write(kv, put(`${prefix}a`, '2'));
    await reaches(open, revision);
    expect(closed.events.length).to.equal(1);
    expect(closed.ended).to.equal(undefined);
    close(open);
  });
}

/** Waits until the watch has delivered everything up to `revision`, and checks that it kept its contract. */
async function reaches(record: WatchRecord, revision: number): Promise<void> {
  await waitFor(() => record.revision >= revision || record.ended, { what: `the watch reached revision ${String(revision)}` });
  expect(record.ended).to.equal(undefined);
  expect(record.breaches).to.deep.equal([]);
}

function close(record: WatchRecord): void {
  record.watch.close();
  expect(record.breaches).to.deep.equal([]);
}

/** One writer's acknowledged events, as {@link shortText} with their revisions. */
async function writeMany(
  { kv, prefix }: KvTrial,
  writer: number,
  times: number,
): Promise<{ readonly revision: number; readonly text: string }[]> {
  const written: { readonly revision: number; readonly text: string }[] = [];
  for (let index = 0; index < times; index += 1) {
    const key = `${prefix}${String(writer)}-${String(index % 3)}`;
    const deletes =
      index % 5 === 4 &&
      written.some(({ text }) => text.startsWith(`put ${key}=`)) &&
      !written.some(({ text }) => text === `delete ${key}`);
    // A writer is one after the other; there are several of them.
    const { revision } = await write(kv, deletes ? remove(key) : put(key, String(index)));
    written.push({ revision, text: deletes ? `delete ${key}` : `put ${key}=${String(index)}` });
  }
  return written;
}

function shortText(event: Parameters<typeof eventText>[0]): string {
  return event.type === 'put' ? `put ${event.entry.key}=${event.entry.value}` : `delete ${event.key}`;
}
