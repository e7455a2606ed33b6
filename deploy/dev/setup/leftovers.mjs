import { readdir, readFile } from 'node:fs/promises';

/** A process that was told to end needs a moment; one that has just been started on a busy machine needs seconds to notice. */
const GRACE_MS = 8_000;
const POLL_MS = 50;

/**
 * Ends every process that still runs and carries `mark` in its environment: what a run started and did not end, also when it
 * has left the process group. Linux only; elsewhere it finds nothing.
 *
 * @param {string} mark `NAME=value`, unique to the run
 * @returns {Promise<string[]>} a sentence for each one that had to be ended
 */
export async function endLeftovers(mark) {
  const untilMs = performance.now() + GRACE_MS;
  let left = await marked(mark);
  while (left.length > 0 && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    left = await marked(mark);
  }
  return left.map(({ pid, command }) => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      return `left running, and gone when it was to be ended: ${command} (${String(error)})`;
    }
    return `left running, now ended: process ${String(pid)}, ${command}`;
  });
}

/** @param {string} mark */
async function marked(mark) {
  const names = await readdir('/proc').catch(() => /** @type {string[]} */ ([]));
  const found = [];
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const environment = await procFile(name, 'environ');
    if (!environment.split('\0').includes(mark)) continue;
    found.push({ pid: Number(name), command: (await procFile(name, 'cmdline')).replaceAll('\0', ' ').trim() });
  }
  return found;
}

/** @param {string} pid @param {string} file */
async function procFile(pid, file) {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It ended just now, or belongs to somebody else: not ours.
    return '';
  }
}
