import { createServer } from 'node:net';

/** A program that runs until it is ended: says its own id. */
createServer().listen(0, '127.0.0.1', () => {
  process.stdout.write(`${String(process.pid)}\n`);
});
