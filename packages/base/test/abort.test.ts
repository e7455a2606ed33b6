import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { AppError, sleep, systemClock, withTimeout } from '../src/index.js';

describe('waiting for a signal', () => {
  it('takes one listener, however many wait, and none when nobody does', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let finish = (): void => undefined;
    const work = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const options = { timeoutMs: 60_000, onTimeout: () => new Error('too late'), signal };
    const waits = Array.from({ length: 100 }, () => withTimeout(systemClock, work, options));
    expect(getEventListeners(signal, 'abort')).to.have.length(1);
    finish();
    await Promise.all(waits);
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });

  it('ends every wait when the signal fires, and each one alone when it is over before', async () => {
    const controller = new AbortController();
    await sleep(systemClock, 0, controller.signal);
    const waits = Array.from({ length: 20 }, () => sleep(systemClock, 60_000, controller.signal));
    controller.abort();
    const ended = await Promise.allSettled(waits);
    expect(ended.map(({ status }) => status)).to.deep.equal(Array.from({ length: 20 }, () => 'rejected'));
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
  });

  it('ends a wait for several signals with the first of them, and leaves nothing at the others', async () => {
    const [long, short] = [new AbortController(), new AbortController()];
    const wait = sleep(systemClock, 60_000, long.signal, undefined, short.signal);
    short.abort(new AppError('OVERLOADED', 'the first'));
    expect(await wait.catch((error: unknown) => error)).to.have.property('reason', 'OVERLOADED');
    await sleep(systemClock, 0, long.signal, new AbortController().signal);
    expect(getEventListeners(long.signal, 'abort')).to.have.length(0);
    expect(await sleep(systemClock, 60_000, long.signal, short.signal).catch((error: unknown) => error)).to.have.property('reason');
  });
});
