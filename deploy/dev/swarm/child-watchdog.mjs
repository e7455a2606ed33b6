import { createInterface } from 'node:readline';

/**
 * Ends the swarm's processes when the swarm itself is gone, however it went: its standard input is a pipe from the swarm, which
 * writes `+PID` for each process that it starts and `-PID` for each that has ended. At the pipe's end, what is left is ended.
 */
/** @type {Set<number>} */
const pids = new Set();

// A signal to the terminal's group is for the swarm; this process stays until its pipe ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const pid = Number(line.slice(1));
    if (line.startsWith('+')) pids.add(pid);
    else pids.delete(pid);
  })
  .on('close', () => {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  });
