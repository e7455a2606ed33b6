import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@volplane/base';
import { FileJournal } from '../src/file-journal.js';

/**
 * Writes a second of the journal, each awaited by its caller, at 1 and at 64 callers. The folder is made below the first
 * argument, else in the temporary directory: give the disk that the agent will use, since a sync is what is measured.
 */
const SECONDS = 3;

const folder = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'volplane-bench-'));
const journal = await FileJournal.open({ folder: join(folder, 'journal'), log: silentLogger });
try {
  for (const callers of [1, 64]) {
    // One measurement after the other.
    process.stdout.write(`${String(callers).padStart(3)} callers: ${String(await writesPerSecond(callers))} writes/s\n`);
  }
} finally {
  await journal.close();
  await rm(folder, { recursive: true });
}

async function writesPerSecond(callers: number): Promise<number> {
  const beganMs = systemClock.monotonicMs();
  let writes = 0;
  const caller = async (): Promise<void> => {
    while (systemClock.monotonicMs() - beganMs < SECONDS * 1_000) {
      writes += 1;
      await journal.write({ [`mount/${String(writes % 1_000)}`]: { seq: writes, ids: ['0123456789abcdef'], state: 'held' } });
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return Math.round((writes * 1_000) / (systemClock.monotonicMs() - beganMs));
}
