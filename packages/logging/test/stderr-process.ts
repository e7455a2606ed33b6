import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { createLogger } from '@volplane/logging';

// A process that logs more than a pipe holds, says so on its standard output, and exits at once: `stderr-process.ts LINES`.
const log = createLogger({ level: 'info', format: 'json', fields: { padding: 'x'.repeat(1_000) } });
// As it is without the loader of these tests: that one starts a program which makes the descriptor block for all who have it.
const unblocked = new Socket({ fd: 2, readable: false, writable: true });
unblocked.unref();
for (let line = 1; line <= Number(process.argv[2]); line += 1) log.info('said', { line });
writeSync(1, 'logged\n');
process.exit(3);
