import { readFile } from 'node:fs/promises';

/** The kernel's name for this start of the machine, the same in every container; undefined where it gives none. */
export async function readBootId(): Promise<string | undefined> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    // Not every sandbox has it; who asks then does without.
    return undefined;
  }
}
