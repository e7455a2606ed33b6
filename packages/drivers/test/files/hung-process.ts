import { endDespiteFileThreads } from '../../src/files/file-thread.js';
import { FileThreads } from '../../src/files/file-threads.js';

// A process that exits while a call on its files is under way: `hung-process.ts FILE`; on a named pipe that nobody opens it hangs.
endDespiteFileThreads(process);
const files = new FileThreads();
const hung = files.run([[{ do: 'sync-file', path: process.argv.at(-1) ?? '' }]]);
hung.catch(() => undefined);
// Another root is not held up.
await new FileThreads().run([[{ do: 'find-names', path: '/', prefix: '' }]]);
process.exit(3);
