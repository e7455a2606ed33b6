import { spawn } from 'node:child_process';

/** A program that ends without ending what it has started, as one does that a signal ends. */
const child = spawn('sleep', ['600'], { stdio: 'ignore' });
process.stdout.write(`${String(child.pid)}\n`, () => {
  process.exit(3);
});
