import { silentLogger, sleep, systemClock, systemRandom } from '@volplane/base';
import { RunningPrograms } from '../src/programs/running-programs.js';
import { systemToolRunner } from '../src/tool-call.js';

/**
 * What an agent does, as a process that can be killed: it runs the shell script of its second argument as a program recorded in the folder
 * of its first, and lives on when that has ended.
 */
const [folder = '', script = ''] = process.argv.slice(2);
const programs = await RunningPrograms.open({ folder, clock: systemClock, random: systemRandom, log: silentLogger });
const run = systemToolRunner(systemClock, { programs });
await run({ file: 'sh', args: ['-c', script], timeoutMs: 600_000, purpose: 'mount at /mnt/data' });
process.stdout.write('ended\n');
await sleep(systemClock, 600_000);
