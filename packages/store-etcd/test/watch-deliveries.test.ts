import { expect } from 'chai';
import type { IEvent, IWatchResponse } from 'etcd3';
import { WatchDeliveries } from '../src/watch-deliveries.js';

describe('watch deliveries', () => {
  let calls: string[];
  let deliveries: WatchDeliveries;

  beforeEach(() => {
    calls = [];
    deliveries = new WatchDeliveries(5, {
      onEvents: (events, revision) => {
        const keys = events.map((event) => (event.type === 'put' ? event.entry.key : `-${event.key}`));
        calls.push(`${keys.join(' ')} @${String(revision)}`);
      },
      onProgress: (revision) => {
        calls.push(`progress ${String(revision)}`);
      },
      onEnd: () => {
        calls.push('end');
      },
    });
  });

  it('hands events over and moves on behind the last of them, whatever the header says', () => {
    deliveries.take(response([putEvent('a', 5), deleteEvent('b', 6)], { headerRevision: 900 }));
    expect(calls).to.deep.equal(['a -b @6']);
    expect(deliveries.nextRevision).to.equal(7);
  });

  it('drops what was delivered already, and what is older than asked for', () => {
    deliveries.take(response([putEvent('old', 4), putEvent('a', 5)]));
    deliveries.take(response([putEvent('a', 5), putEvent('b', 6)]));
    expect(calls).to.deep.equal(['a @5', 'b @6']);
  });

  it('holds back a revision that goes on in the next response', () => {
    deliveries.take(response([putEvent('a', 5), putEvent('b', 6)], { fragment: true }));
    expect(deliveries.nextRevision).to.equal(6);
    deliveries.take(response([putEvent('c', 6)], { fragment: true }));
    deliveries.take(response([putEvent('d', 6), putEvent('e', 7)]));
    expect(calls).to.deep.equal(['a @5', 'b c d e @7']);
  });

  it('forgets what it held back when a new stream begins', () => {
    deliveries.take(response([putEvent('a', 5), putEvent('b', 6)], { fragment: true }));
    deliveries.restart();
    deliveries.take(response([putEvent('b', 6), putEvent('c', 6)]));
    expect(calls).to.deep.equal(['a @5', 'b c @6']);
  });

  it('reports progress, never backwards, and not while it holds events back', () => {
    deliveries.progress(3);
    deliveries.progress(10);
    deliveries.progress(8);
    expect(calls).to.deep.equal(['progress 4', 'progress 10', 'progress 10']);
    expect(deliveries.nextRevision).to.equal(11);
    deliveries.take(response([putEvent('a', 11)], { fragment: true }));
    deliveries.progress(11);
    expect(calls.length).to.equal(3);
    expect(deliveries.nextRevision).to.equal(11);
  });

  it('still delivers an event that comes after a progress report that should have counted it', () => {
    deliveries.progress(10);
    deliveries.take(response([putEvent('late', 9)]));
    expect(calls).to.deep.equal(['progress 10', 'late @9']);
    expect(deliveries.nextRevision).to.equal(11);
  });

  it('turns marks into progress', () => {
    deliveries.take(response([putEvent('~progress', 5)]));
    deliveries.take(response([putEvent('a', 6), putEvent('a/~progress', 7)]));
    deliveries.take(response([putEvent('~progress', 8), putEvent('b', 9)]));
    expect(calls).to.deep.equal(['progress 5', 'a @6', 'progress 7', 'b @9']);
  });

  it('calls nobody after it was stopped from within a call', () => {
    const heard: string[] = [];
    const stopping = new WatchDeliveries(1, {
      onEvents: () => {
        heard.push('events');
        stopping.stop();
      },
      onProgress: () => {
        heard.push('progress');
      },
      onEnd: () => undefined,
    });
    stopping.take(response([putEvent('a', 1), putEvent('~progress', 2)]));
    expect(heard).to.deep.equal(['events']);
  });
});

function response(
  events: readonly IEvent[],
  options: { readonly fragment?: boolean; readonly headerRevision?: number } = {},
): IWatchResponse {
  return {
    header: { cluster_id: '1', member_id: '1', revision: String(options.headerRevision ?? 0), raft_term: '1' },
    watch_id: '0',
    created: false,
    canceled: false,
    compact_revision: '0',
    cancel_reason: '',
    fragment: options.fragment ?? false,
    events: [...events],
  };
}

function putEvent(key: string, revision: number): IEvent {
  return { type: 'Put', ...keyValues(key, revision) };
}

function deleteEvent(key: string, revision: number): IEvent {
  return { type: 'Delete', ...keyValues(key, revision) };
}

function keyValues(key: string, revision: number): Pick<IEvent, 'kv' | 'prev_kv'> {
  const kv = {
    key: Buffer.from(key),
    value: Buffer.from(''),
    create_revision: String(revision),
    mod_revision: String(revision),
    version: '1',
    lease: '0',
  };
  return { kv, prev_kv: kv };
}
