import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MountMode, StringMap } from '@volplane/domain';
import { findMount, isReadOnly } from '@volplane/host';
import type { DriverContext } from '../driver-context.js';
import { resolveHost } from '../resolve-host.js';
import { withAddress, type LocalMountPlan } from './mount-plan.js';

/** Mounts by the plan, or makes an existing read-only mount writable when that is asked for and the options allow it. */
export async function mountLocal(
  context: DriverContext,
  request: { readonly plan: LocalMountPlan; readonly target: string; readonly mode: MountMode; readonly volume: string },
  signal: AbortSignal,
): Promise<void> {
  const { plan, target, volume } = request;
  const mode: MountMode = plan.mode === 'ro' ? 'ro' : request.mode;
  const entry = findMount(await context.mounts.table(), target);
  if (entry !== undefined) {
    if (mode === 'rw' && isReadOnly(entry)) await context.mounts.remount(target, { mode, bind: isBind(plan) });
    return;
  }
  const resolved =
    plan.host === undefined
      ? plan
      : withAddress(plan, await resolveHost(context, { host: plan.host, purpose: `volume ${volume}` }, signal));
  const call = { type: resolved.type, source: resolved.source, target, mode, secrets: resolved.secrets };
  await withCredentialsFile(resolved.credentials, async (words) => {
    await context.mounts.mount({ ...call, options: [...resolved.options, ...words] }, signal);
  });
  await context.onStep('mounted');
}

/** A file that only root reads, for the time of the call: arguments can be read by everybody on the machine. */
async function withCredentialsFile(credentials: StringMap | undefined, call: (words: readonly string[]) => Promise<void>): Promise<void> {
  if (credentials === undefined) {
    await call([]);
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'volplane-'));
  try {
    const path = join(folder, 'credentials');
    const lines = Object.entries(credentials).map(([key, value]) => `${key}=${value}\n`);
    await writeFile(path, lines.join(''), { mode: 0o600 });
    await call([`credentials=${path}`]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function isBind(plan: LocalMountPlan): boolean {
  return plan.options.includes('bind') || plan.options.includes('rbind');
}
