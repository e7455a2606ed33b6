/** Milliseconds of CLOCK_MONOTONIC: one count for all processes of the machine since it started, moved by no time setting. */
export function bootMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
