import { expect } from 'chai';
import { AppError, seededRandom, silentLogger } from '@volplane/base';
import { gate as door, ManualClock } from '@volplane/testkit';
import { CallGate } from '../src/call-gate.js';
import { toCsiStatus } from '../src/status.js';

const NO_DEADLINE = { timeoutMs: Infinity };
const about = (sameAs: string, key = 'volume v'): { key: string; sameAs: string } => ({ key, sameAs });

function openGate(limits: { workMs?: number; patienceMs?: number; retryMs?: number } = {}): { clock: ManualClock; gate: CallGate } {
  const clock = new ManualClock();
  return { clock, gate: new CallGate({ clock, random: seededRandom(1), log: silentLogger, ...limits }) };
}

/** What the promise has come to, once everything that can run has run. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    return `answer ${String(await work)}`;
  } catch (error) {
    return toCsiStatus(error).code;
  }
}

describe('the call gate', () => {
  it('runs changes of one volume one after the other, in their order', async () => {
    const { gate } = openGate();
    const first = door();
    const order: string[] = [];
    const one = gate.change(NO_DEADLINE, about('publish'), async () => {
      await first.opened;
      order.push('publish');
    });
    const two = gate.change(NO_DEADLINE, about('unpublish'), async () => {
      order.push('unpublish');
    });
    first.open();
    await Promise.all([one, two]);
    expect(order).to.deep.equal(['publish', 'unpublish']);
  });

  it('runs changes of different volumes side by side', async () => {
    const { gate } = openGate();
    const first = door();
    const one = gate.change(NO_DEADLINE, about('publish', 'volume a'), () => first.opened);
    await gate.change(NO_DEADLINE, about('publish', 'volume b'), async () => {
      first.open();
    });
    await one;
  });

  it('lets a repeated call join the one that is at work, and does the work once', async () => {
    const { gate } = openGate();
    const first = door();
    let runs = 0;
    const work = async (): Promise<number> => {
      runs += 1;
      await first.opened;
      return runs;
    };
    const calls = [1, 2, 3].map(() => gate.change(NO_DEADLINE, about('create'), work));
    first.open();
    expect(await Promise.all(calls)).to.deep.equal([1, 1, 1]);
  });

  it('does not join a call that another one has undone since', async () => {
    const { gate } = openGate();
    const first = door();
    const order: string[] = [];
    const say = (word: string) => async (): Promise<void> => {
      await first.opened;
      order.push(word);
    };
    const calls = ['publish', 'unpublish', 'publish'].map((word) => gate.change(NO_DEADLINE, about(word), say(word)));
    first.open();
    await Promise.all(calls);
    expect(order).to.deep.equal(['publish', 'unpublish', 'publish']);
  });

  it('tells an impatient caller ABORTED, goes on, and gives the answer to the repeated call', async () => {
    const { clock, gate } = openGate({ patienceMs: 5_000 });
    const first = door();
    const work = async (): Promise<string> => {
      await first.opened;
      return 'done';
    };
    const impatient = codeOf(gate.change({ timeoutMs: 10_000 }, about('create'), work));
    await clock.advance(5_000);
    expect(await impatient).to.equal('ABORTED');
    const repeated = codeOf(gate.change({ timeoutMs: 10_000 }, about('create'), work));
    first.open();
    expect(await repeated).to.equal('answer done');
  });

  it('answers before the deadline of the caller', async () => {
    const { clock, gate } = openGate({ patienceMs: 60_000 });
    const call = codeOf(gate.read({ timeoutMs: 2_000 }, () => new Promise(() => undefined)));
    await clock.advance(1_999);
    expect(await call).to.equal('ABORTED');
  });

  it('waits out a change of managers', async () => {
    const { clock, gate } = openGate({ retryMs: 1_500 });
    let attempts = 0;
    const call = codeOf(
      gate.change(NO_DEADLINE, about('publish'), async () => {
        attempts += 1;
        if (attempts < 3) throw new AppError('NO_MANAGER', 'no manager answers');
        return 'done';
      }),
    );
    await clock.advance(1_500);
    expect(await call).to.equal('answer done');
  });

  it('says UNAVAILABLE within two seconds when nobody comes back', async () => {
    const { clock, gate } = openGate();
    const call = codeOf(
      gate.change(NO_DEADLINE, about('publish'), async () => {
        throw new AppError('NO_MANAGER', 'no manager answers');
      }),
    );
    await clock.advance(2_000);
    expect(await call).to.equal('UNAVAILABLE');
  });

  it('does not repeat what was refused for good', async () => {
    const { gate } = openGate();
    let attempts = 0;
    const call = gate.change(NO_DEADLINE, about('publish'), async () => {
      attempts += 1;
      throw new AppError('VOLUME_HELD', 'held by n2');
    });
    expect(await codeOf(call)).to.equal('FAILED_PRECONDITION');
    expect(attempts).to.equal(1);
  });

  it('cuts off work that does not end, as an unknown outcome', async () => {
    const { clock, gate } = openGate({ workMs: 30_000 });
    const call = codeOf(
      gate.change(NO_DEADLINE, about('publish'), (context) => {
        return new Promise((_, reject) => {
          context.signal.addEventListener('abort', () => {
            reject(context.signal.reason as Error);
          });
        });
      }),
    );
    await clock.advance(30_000);
    expect(await call).to.equal('UNAVAILABLE');
  });

  it('bounds how many calls wait for one volume', async () => {
    const { gate } = openGate();
    const first = door();
    const calls = Array.from({ length: 9 }, (_, index) => codeOf(gate.change(NO_DEADLINE, about(`call ${index}`), () => first.opened)));
    expect(await calls[8]).to.equal('UNAVAILABLE');
    first.open();
    await Promise.all(calls);
  });

  it('bounds how many calls are at work at all, and takes others once those have ended', async () => {
    const { gate } = openGate();
    const first = door();
    const calls = Array.from({ length: 1_000 }, () => gate.read(NO_DEADLINE, () => first.opened));
    expect(await codeOf(gate.read(NO_DEADLINE, async () => 'done'))).to.equal('UNAVAILABLE');
    first.open();
    await Promise.all(calls);
    expect(await codeOf(gate.read(NO_DEADLINE, async () => 'done'))).to.equal('answer done');
  });

  it('cuts off what runs when it is closed, and keeps nothing of what has ended', async () => {
    const { clock, gate } = openGate();
    const signals: AbortSignal[] = [];
    await gate.read({ timeoutMs: 5_000 }, async ({ signal }) => signals.push(signal));
    expect(clock.waiting).to.equal(0);
    const running = door();
    const call = gate.read(NO_DEADLINE, async ({ signal }) => {
      signals.push(signal);
      await running.opened;
    });
    gate.close();
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([false, true]);
    running.open();
    await call;
  });

  it('refuses new work once it is closed', async () => {
    const { gate } = openGate();
    gate.close();
    expect(await codeOf(gate.read(NO_DEADLINE, async () => 'done'))).to.equal('UNAVAILABLE');
  });
});
