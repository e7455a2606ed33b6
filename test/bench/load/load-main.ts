import { systemRandom } from '@volplane/base';
import type { Job, JobAnswer } from './job.js';
import { Meter } from './meter.js';
import { OtherLoad } from './other-load.js';
import { VolplaneLoad } from './volplane-load.js';

/** The load generator: a process of its own that makes one measurement after the other, as its parent asks. */
const prefix = `bench-${systemRandom.hex(8)}`;
const ours = new VolplaneLoad(prefix);
const others = new OtherLoad(prefix);

process.on('message', (job: Job) => {
  measure(job).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ fault: `${job.workload}: ${error instanceof Error ? error.message : String(error)}` }),
  );
});
process.on('disconnect', () => {
  process.exit();
});

async function measure(job: Job): Promise<JobAnswer> {
  const newMeter = (): Meter => new Meter(job.warmupMs, job.measureMs);
  const load = /^(echo|etcd|bare|docker|csi)/.test(job.workload) ? others : ours;
  const meter = await load.run(job, newMeter);
  return { result: { workload: job.workload, callers: job.callers, ...meter.result() } };
}
