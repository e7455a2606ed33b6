/** Milliseconds of CLOCK_MONOTONIC: one count for all processes of the machine since it started, moved by no time setting. */
export function bootMs(): number {
  // eslint-disable-next-line no-restricted-syntax -- Clock counts from the start of its own process; two processes must agree here
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
