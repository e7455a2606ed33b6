import { silentLogger } from '@volplane/base';
import { FileJournal } from '@volplane/host';

/** Writes numbers for as long as it lives, and tells each one only when it is durable. */
const journal = await FileJournal.open({ folder: process.argv[2] ?? '', log: silentLogger, logBytesMax: 4_000 });
for (let value = 0; ; value += 1) {
  await journal.write({ [`k/${String(value)}`]: value });
  process.send?.(value);
}
