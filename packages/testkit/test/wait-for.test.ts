import { expect } from 'chai';
import { waitFor } from '../src/index.js';

describe('waitFor', () => {
  it('returns the first truthy value', async () => {
    let looks = 0;
    const value = await waitFor(() => (++looks === 3 ? `look ${String(looks)}` : undefined), { what: 'three looks were taken' });
    expect(value).to.equal('look 3');
  });

  it('takes a condition that throws as not yet', async () => {
    let looks = 0;
    const value = await waitFor(
      async () => {
        looks += 1;
        if (looks < 3) throw new Error('still down');
        return await Promise.resolve(looks);
      },
      { what: 'it is up' },
    );
    expect(value).to.equal(3);
  });

  it('names what it waited for and the last value seen', async () => {
    const error = await failureOf(waitFor(() => 0, { timeoutMs: 40, what: 'the count is above zero' }));
    expect(error.message).to.equal('waited 40 ms in vain until the count is above zero; last seen: 0');
  });

  it('gives the last error as the cause', async () => {
    const cause = new Error('still down');
    const error = await failureOf(waitFor(() => Promise.reject(cause), { timeoutMs: 40, what: 'it is up' }));
    expect(error.cause).to.equal(cause);
  });

  it('ends although the condition hangs', async () => {
    const error = await failureOf(waitFor(() => new Promise<boolean>(() => undefined), { timeoutMs: 40, what: 'it answers' }));
    expect(error.message).to.contain('it answers');
  });
});

async function failureOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('expected a failure');
}
