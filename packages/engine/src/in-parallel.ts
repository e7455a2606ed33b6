/**
 * Runs `work` for every item, at most `concurrency` at once, in their order.
 *
 * Stops beginning new ones when the signal fires; the caller looks at the signal. @throws the first error of `work`
 */
export async function inParallel<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const rest = items.values();
  const workers = Array.from({ length: Math.min(concurrency, items.length) }, async () => {
    for (const item of rest) {
      if (signal?.aborted === true) return;
      // One after the other in each of the bounded number of workers.
      await work(item);
    }
  });
  await Promise.all(workers);
}
