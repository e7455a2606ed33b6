import { expect } from 'chai';
import { SharedWork } from '../src/index.js';

/** A run that ends when the test says so. */
function heldWork(): { readonly work: SharedWork<number>; readonly ends: ((error?: Error) => void)[] } {
  const ends: ((error?: Error) => void)[] = [];
  const work = new SharedWork<number>(
    () =>
      new Promise((resolve, reject) => {
        const run = ends.length + 1;
        ends.push((error) => {
          if (error === undefined) resolve(run);
          else reject(error);
        });
      }),
  );
  return { work, ends };
}

describe('SharedWork', () => {
  it('gives callers who come during a run the next one, together', async () => {
    const { work, ends } = heldWork();
    const first = work.run();
    const later = [work.run(), work.run()];
    ends[0]?.();
    expect(await first).to.equal(1);
    await Promise.resolve();
    expect(ends).to.have.length(2);
    ends[1]?.();
    expect(await Promise.all(later)).to.deep.equal([2, 2]);
  });

  it('begins anew when nothing runs, and after a failure, which only those who shared it see', async () => {
    const { work, ends } = heldWork();
    const first = work.run();
    const second = work.run();
    ends[0]?.(new Error('broken'));
    expect(await first.catch((error: unknown) => String(error))).to.equal('Error: broken');
    ends[1]?.();
    expect(await second).to.equal(2);
    const third = work.run();
    ends[2]?.();
    expect(await third).to.equal(3);
  });
});
