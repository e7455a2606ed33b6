import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { violations } from './checker.js';
import { HistoryFile, readHistory, type CallEvent, type HistoryEvent, type RecordRun, type UseEvent, type VolumePlan } from './history.js';
import { toRuns } from './read-storage.js';
import { reportOf } from './report.js';
import { RECORD_BYTES } from './writer-lines.js';

const LEASE: VolumePlan = { name: 'v', driver: 'image', accessMode: 'single-node-writer', takeover: 'lease', exclusive: true };

const call = (from: Partial<CallEvent> & Pick<CallEvent, 'call' | 'fromMs' | 'untilMs'>): CallEvent => ({
  type: 'call',
  volume: 'v',
  outcome: 'ok',
  ...from,
});
const mount = (node: string, epoch: number, fromMs: number, more: Partial<CallEvent> = {}): CallEvent =>
  call({ call: 'mount', node, epoch, seq: epoch, mountId: `w-${node}-${String(epoch)}`, uid: 'u1', fromMs, untilMs: fromMs + 1, ...more });
const use = (node: string, epoch: number, acked: number, more: Partial<UseEvent> = {}): UseEvent => ({
  type: 'use',
  writer: `w-${node}-${String(epoch)}`,
  volume: 'v',
  node,
  epoch,
  acked,
  end: 'stopped',
  ...more,
});
const run = (node: string, epoch: number, first: number, last: number): RecordRun => ({
  writer: `w-${node}-${String(epoch)}`,
  node,
  epoch,
  first,
  last,
});
const stored = (...runs: readonly RecordRun[]): HistoryEvent => ({ type: 'storage', volume: 'v', uid: 'u1', runs, damaged: [] });
const history = (plan: VolumePlan, ...events: readonly HistoryEvent[]): readonly HistoryEvent[] => [
  { type: 'run', seed: 1, ttlMs: 5_000, volumes: [plan] },
  ...events,
  { type: 'end', tookMs: 1, orphans: 0, restarts: 0 },
];

/** What `npm run faults` would find, planted by hand: a checker that finds nothing proves nothing. */
describe('the checker of histories', () => {
  const good = [
    call({ call: 'create', uid: 'u1', fromMs: 0, untilMs: 1 }),
    mount('n1', 2, 2),
    use('n1', 2, 3, { firstAckMs: 4, lastStartMs: 6 }),
    mount('n2', 3, 10),
    use('n2', 3, 2, { firstAckMs: 12, lastStartMs: 13 }),
  ];
  const faultsOf = (...events: readonly HistoryEvent[]): string => violations(history(LEASE, ...events)).join('\n');

  it('finds nothing in a takeover as it should be, nor in a record that was written and not acknowledged', () => {
    expect(faultsOf(...good, stored(run('n1', 2, 1, 3), run('n2', 3, 1, 3)))).to.equal('');
  });

  it('finds two nodes that wrote in one epoch', () => {
    const other = { ...use('n2', 2, 1), writer: 'w-n2-2' };
    expect(faultsOf(...good, other, stored(run('n1', 2, 1, 3), run('n2', 2, 1, 1), run('n2', 3, 1, 2)))).to.contain(
      'n2 wrote in epoch 2, which n1 had',
    );
  });

  it('finds epochs that interleave', () => {
    const text = faultsOf(...good, stored(run('n1', 2, 1, 2), run('n2', 3, 1, 2), run('n1', 2, 3, 3)));
    expect(text).to.contain('n1 wrote with epoch 2 after epoch 3 had written');
  });

  it('finds an acknowledged write that is lost, at the end and in the middle', () => {
    expect(faultsOf(...good, stored(run('n1', 2, 1, 2), run('n2', 3, 1, 2)))).to.contain('record 3 to 3 of w-n1-2');
    expect(faultsOf(...good, stored(run('n1', 2, 1, 1), run('n1', 2, 3, 3), run('n2', 3, 1, 2)))).to.contain(
      'after record 1 of w-n1-2 comes 3',
    );
  });

  it('takes the kernel’s word for the very last record before a cut for nothing, and no other', () => {
    const cut = (...runs: readonly RecordRun[]): string =>
      faultsOf(...good.map((event) => (event.type === 'use' && event.node === 'n1' ? { ...event, end: 'EIO' } : event)), stored(...runs));
    expect(cut(run('n1', 2, 1, 2), run('n2', 3, 1, 2))).to.equal('');
    expect(cut(run('n1', 2, 1, 1), run('n2', 3, 1, 2))).to.contain('record 2 to 3 of w-n1-2');
  });

  it('finds a late write that the storage took, although another record hid it', () => {
    const late = use('n1', 2, 3, { firstAckMs: 4, lastStartMs: 20 });
    const events = good.map((event) => (event.type === 'use' && event.node === 'n1' ? late : event));
    expect(faultsOf(...events, stored(run('n1', 2, 1, 3), run('n2', 3, 1, 2)))).to.contain('after n2 had written with epoch 3');
  });

  it('finds records of nobody, and lines that are none', () => {
    expect(faultsOf(...good, stored(run('n1', 2, 1, 3), run('n2', 3, 1, 2), run('n3', 4, 1, 1)))).to.contain(
      'w-n3-4 on n3 with epoch 4 was not started',
    );
    const record = `${JSON.stringify({ writer: 'w', node: 'n', epoch: 1, number: 1 }).padEnd(RECORD_BYTES - 1)}\n`;
    const { runs, damaged } = toRuns(`${record}${'\0'.repeat(RECORD_BYTES)}${record.slice(0, 50)}`);
    expect([runs.length, damaged.length]).to.deep.equal([1, 2]);
    expect(faultsOf(...good, { type: 'storage', volume: 'v', uid: 'u1', runs: [], damaged })).to.contain('which is no record');
  });

  it('finds two claims in one epoch, and an epoch that falls', () => {
    expect(faultsOf(call({ call: 'create', uid: 'u1', fromMs: 0, untilMs: 1 }), mount('n1', 2, 2), mount('n2', 2, 5))).to.contain(
      'have one epoch',
    );
    expect(faultsOf(call({ call: 'create', uid: 'u1', fromMs: 0, untilMs: 1 }), mount('n1', 3, 2), mount('n2', 2, 5))).to.contain(
      'the epoch fell',
    );
  });

  it('finds two holders at one time under manual, whether they wrote or not', () => {
    const manual: VolumePlan = { ...LEASE, takeover: 'manual' };
    const events = [call({ call: 'create', uid: 'u1', fromMs: 0, untilMs: 1 }), mount('n1', 2, 2), mount('n2', 3, 10)];
    expect(violations(history(manual, ...events)).join()).to.contain('held it at the same time');
    const unmount = call({ call: 'unmount', mountId: 'w-n1-2', node: 'n1', outcome: 'unknown', fromMs: 8, untilMs: 9 });
    expect(violations(history(manual, ...events, unmount))).to.deep.equal([]);
  });

  describe('of the register', () => {
    const unexplained = (...calls: readonly CallEvent[]): boolean => faultsOf(...calls).includes('no order of the calls explains');
    const create = (uid: string, fromMs: number, untilMs = fromMs + 1): CallEvent => call({ call: 'create', uid, fromMs, untilMs });
    const remove = (uid: string, fromMs: number, more: Partial<CallEvent> = {}): CallEvent =>
      call({ call: 'remove', uid, fromMs, untilMs: fromMs + 1, ...more });
    const missing = (fromMs: number, untilMs = fromMs + 1): CallEvent =>
      call({ call: 'mount', outcome: 'refused', reason: 'VOLUME_NOT_FOUND', fromMs, untilMs });

    it('takes creates, removes and makings anew in order, and what overlaps in any', () => {
      expect(unexplained(create('u1', 0), create('u1', 2), remove('u1', 4), missing(6), create('u2', 8))).to.equal(false);
      expect(unexplained(create('u1', 0), remove('u1', 4, { untilMs: 9 }), missing(5), create('u2', 6, 20), missing(8))).to.equal(false);
      expect(unexplained(create('u1', 0), remove('u1', 4), remove('u1', 6, { outcome: 'refused', reason: 'VOLUME_NOT_FOUND' }))).to.equal(
        false,
      );
    });

    it('finds a create that was acknowledged and is lost', () => {
      expect(unexplained(create('u1', 0), missing(4))).to.equal(true);
      expect(unexplained(create('u1', 0), create('u2', 4))).to.equal(true);
    });

    it('finds a volume that comes back from its removal', () => {
      expect(unexplained(create('u1', 0), remove('u1', 4), mount('n1', 2, 6))).to.equal(true);
      expect(unexplained(create('u1', 0), remove('u1', 4), create('u1', 6))).to.equal(true);
    });

    it('takes an unanswered call as done at any moment after it, or never, and not before', () => {
      const unknown = { outcome: 'unknown', reason: 'UNREACHABLE' } as const;
      expect(unexplained(create('u1', 0), remove('u1', 2, unknown), mount('n1', 2, 8))).to.equal(false);
      expect(unexplained(create('u1', 0), remove('u1', 2, unknown), mount('n1', 2, 4), missing(8))).to.equal(false);
      expect(unexplained(create('u1', 0), missing(4), remove('u1', 6, unknown))).to.equal(true);
      expect(unexplained(call({ call: 'create', ...unknown, fromMs: 0, untilMs: 1 }), missing(3), mount('n1', 2, 6))).to.equal(false);
      expect(unexplained(missing(0), mount('n1', 2, 6))).to.equal(true);
    });
  });

  it('finds what was left held, and a run that broke off', () => {
    expect(faultsOf({ type: 'left', what: 'volume v did not become free' })).to.contain('did not become free');
    expect(violations(history(LEASE).slice(0, -1)).join()).to.contain('broke off');
  });

  it('reads a file as it was written, and says the same of it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'volplane-history-'));
    try {
      const events = history(LEASE, ...good, stored(run('n1', 2, 1, 3)));
      const file = new HistoryFile(join(folder, 'deep', 'history.jsonl'));
      for (const event of events) file.add(event);
      file.close();
      expect(readHistory(file.path)).to.deep.equal(events);
      const { text, failed } = reportOf(readHistory(file.path));
      expect(failed).to.equal(true);
      expect(text).to.contain('violations  1').and.contain('record 1 to 2 of w-n2-3');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
