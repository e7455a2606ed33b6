import { EventEmitter } from 'node:events';
import { ManualClock } from '@volplane/testkit';
import { expect } from 'chai';
import type { IDuplexStream, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3';
import { KeepAliveStream } from '../src/keep-alive-stream.js';

describe('lease refreshes on one stream', () => {
  let clock: ManualClock;
  let opened: FakeStream[];
  let stream: KeepAliveStream;

  beforeEach(() => {
    clock = new ManualClock();
    opened = [];
    stream = new KeepAliveStream({
      clock,
      silenceMs: 1_000,
      open: () => {
        const fake = new FakeStream();
        opened.push(fake);
        return Promise.resolve(fake);
      },
    });
  });

  it('gives the answers for one lease to its requests in their order', async () => {
    const asked = [stream.refresh('1'), stream.refresh('2'), stream.refresh('1')];
    await clock.advance(0);
    expect(opened.map(({ written }) => written)).to.deep.equal([['1', '2', '1']]);
    opened[0]?.answer('1', 5);
    opened[0]?.answer('2', 5);
    opened[0]?.answer('1', 0);
    expect(await Promise.all(asked)).to.deep.equal([true, true, false]);
    expect(clock.waiting).to.equal(0);
  });

  it('gives up a stream that owes an answer for too long, and opens another one', async () => {
    const first = outcome(stream.refresh('1'));
    await clock.advance(600);
    const second = outcome(stream.refresh('2'));
    await clock.advance(399);
    opened[0]?.answer('1', 5);
    expect(await first).to.equal(true);
    // Each answer is a sign of life.
    await clock.advance(999);
    const third = outcome(stream.refresh('3'));
    await clock.advance(1);
    expect(String(await second)).to.contain('refreshed no lease for 1000 ms');
    expect(String(await third)).to.contain('refreshed no lease for 1000 ms');
    expect(opened[0]?.cancelled).to.equal(true);
    const again = stream.refresh('2');
    await clock.advance(0);
    opened[1]?.answer('2', 5);
    expect(await again).to.equal(true);
  });

  it('fails what waits when the stream breaks or ends', async () => {
    const broken = outcome(stream.refresh('1'));
    await clock.advance(0);
    opened[0]?.emit('error', new Error('14 UNAVAILABLE: Connection dropped'));
    expect(String(await broken)).to.contain('Connection dropped');
    const ended = outcome(stream.refresh('1'));
    await clock.advance(0);
    opened[1]?.emit('end');
    expect(String(await ended)).to.contain('etcd ended the stream');
    expect(clock.waiting).to.equal(0);
  });

  it('hears no answer of a stream that it gave up', async () => {
    const lost = outcome(stream.refresh('1'));
    await clock.advance(1_000);
    expect(await lost).to.be.instanceOf(Error);
    const again = outcome(stream.refresh('1'));
    await clock.advance(0);
    opened[0]?.answer('1', 5);
    opened[1]?.answer('1', 0);
    expect(await again).to.equal(false);
  });

  it('is closed with an error for what waits', async () => {
    const waiting = outcome(stream.refresh('1'));
    await clock.advance(0);
    await stream.close();
    expect(String(await waiting)).to.contain('closed');
    expect(String(await outcome(stream.refresh('1')))).to.contain('closed');
    expect(opened.length).to.equal(1);
  });

  it('refuses more waiting refreshes than its bound', async () => {
    const waiting = Array.from({ length: 10_000 }, (_, index) => outcome(stream.refresh(String(index))));
    await clock.advance(0);
    expect(await outcome(stream.refresh('more'))).to.have.property('reason', 'STORE_UNAVAILABLE');
    await stream.close();
    await Promise.all(waiting);
  });
});

/** What a promise resolves or rejects with. */
function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => error);
}

class FakeStream extends EventEmitter implements IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse> {
  readonly written: string[] = [];
  cancelled = false;

  write({ ID }: ILeaseKeepAliveRequest): void {
    this.written.push(String(ID));
  }

  end(): void {
    this.emit('end');
  }

  cancel(): void {
    this.cancelled = true;
  }

  answer(lease: string, ttlSeconds: number): void {
    const header = { cluster_id: '1', member_id: '1', revision: '1', raft_term: '1' };
    this.emit('data', { header, ID: lease, TTL: String(ttlSeconds) });
  }
}
