import { seededRandom, silentLogger } from '@volplane/base';
import { FileJournal } from '../src/file-journal.js';

/**
 * A process of its own for the tests: opens the journal in the folder of its first argument, says `open`, and with a
 * second argument writes for ever, eight at a time and of both grades, saying the number of each write when it is acknowledged. It goes on
 * at the number in the second argument.
 */
const [folder = '', from] = process.argv.slice(2);
let next = Number(from);
const journal = await FileJournal.open({ folder, random: seededRandom(process.pid), log: silentLogger });
process.stdout.write('open\n');
if (from === undefined) process.stdin.resume();
else await Promise.all(Array.from({ length: 8 }, writer));

async function writer(): Promise<never> {
  for (;;) {
    const number = (next += 1);
    // Each writer waits for its own write: eight share a sync.
    const changes = { [`written/${String(number % 100)}`]: { number, filler: 'x'.repeat(5_000) }, last: number };
    await journal.write(changes, number % 2 === 0 ? 'synced' : 'kept');
    process.stdout.write(`${String(number)}\n`);
  }
}
