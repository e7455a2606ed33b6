import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SpecLevel } from '@volplane/csi';
import { buildSanity, runSanity, type SanityCount } from './support/sanity-tool.js';

/**
 * `npm run test:csi-sanity`: gets csi-sanity as a Go module and runs it against our CSI processes, once for each level of
 * the specification that this csi-sanity knows. Fails unless every spec passes or is skipped for one of the reasons below.
 */
const CACHE = fileURLToPath(new URL('../../.cache/csi-sanity', import.meta.url));

/** As many as csi-driver-host-path passes, the example of the specification's own people. */
const PASSED_MIN = 93;

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the node plugin mounts, so csi-sanity must be run as root');
  const { binary, release } = await buildSanity(CACHE);
  for (const level of release.levels) {
    // One after the other: csi-sanity counts volumes and wants to be alone.
    const count = await against(level, binary);
    tell(`csi-sanity ${release.version}, CSI ${level}`, count);
    if (count.failed.length > 0 || count.passed < PASSED_MIN) process.exitCode = 1;
  }
}

async function against(level: SpecLevel, binary: string): Promise<SanityCount> {
  const folder = await mkdtemp(join(tmpdir(), 'csi-sanity-'));
  const endpoint = `unix://${join(folder, 'csi.sock')}`;
  const plugin = await startPlugin(endpoint, level);
  try {
    return await runSanity({ binary, endpoint, folder });
  } finally {
    plugin.kill('SIGTERM');
    await once(plugin, 'exit');
    await rm(folder, { recursive: true });
  }
}

async function startPlugin(endpoint: string, level: SpecLevel): Promise<ChildProcess> {
  const plugin = fork(fileURLToPath(new URL('fake-plugin.ts', import.meta.url)), [endpoint, level]);
  const [said] = (await Promise.race([once(plugin, 'message'), once(plugin, 'exit')])) as readonly unknown[];
  if (said !== 'ready') throw new Error(`the plugin ended before it was ready (exit ${String(said)})`);
  return plugin;
}

function tell(what: string, count: SanityCount): void {
  const { passed, failed, skipped, pending } = count;
  process.stdout.write(
    `${what}: ${String(passed)} passed, ${String(failed.length)} failed, ${String(skipped.length)} skipped, ${String(pending.length)} pending\n`,
  );
  for (const [state, names] of Object.entries({ failed, skipped, pending }))
    for (const name of names) process.stdout.write(`  ${state}: ${name}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
