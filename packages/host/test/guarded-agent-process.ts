import { AppError, silentLogger, systemClock } from '@volplane/base';
import type { VolumeUid } from '@volplane/domain';
import { bootMs } from '../src/guardian/boot-clock.js';
import { GuardianClient } from '../src/guardian/guardian-client.js';
import { systemMounts } from '../src/host-mounts.js';

/**
 * A process of its own for the tests, in the place of an agent: arms, mounts under the gate, says `mounted` and stays until it is killed.
 * Arguments: guardian folder, uid, block device, target, lifetime in ms.
 */
const [folder = '', uid = '', source = '', target = '', lifeMs = ''] = process.argv.slice(2);
const client = new GuardianClient({ folder, spawn: () => Promise.resolve(), clock: systemClock, log: silentLogger });
const running = client.run(new AbortController().signal);
client.onChange((alive) => {
  if (!alive) return;
  mountGuarded().then(
    () => process.stdout.write('mounted\n'),
    (error: unknown) => process.stdout.write(`${error instanceof AppError ? error.reason : String(error)}\n`),
  );
});
await running;

async function mountGuarded(): Promise<void> {
  const guarded = uid as VolumeUid; // the test hands one over
  await client.arm({ uid: guarded, target, method: 'shutdown', deadlineMs: bootMs() + Number(lifeMs) });
  await client.gate(guarded, 100, () => systemMounts(systemClock).mount({ type: 'ext4', source, target, options: [], mode: 'rw' }));
}
