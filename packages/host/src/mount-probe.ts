import { AppError } from '@volplane/base';
import { abortMethod } from './mount-abort.js';
import { findMountOf, readMountTable, type MountEntry } from './mount-table.js';
import type { ToolRunner } from './tool-call.js';

/**
 * Whether users of the mount still get answers: false after an abort, and when a FUSE server is gone.
 *
 * Asked by a program of its own: a call on a dead server can hang for ever, and would take one of Node's few threads with it.
 *
 * @throws AppError DRIVER_UNAVAILABLE when the mount does not answer in time
 */
export async function isMountUsable(run: ToolRunner, entry: MountEntry): Promise<boolean> {
  // Kernels that show it save us the question.
  if (entry.superOptions.includes('shutdown')) return false;
  const method = abortMethod(entry.fsType);
  if (method === undefined) return true;
  // statfs works on an ext4 that was shut down; a sync does not.
  const tool = method === 'shutdown' ? { file: 'sync', args: ['--', entry.target] } : { file: 'stat', args: ['-f', '--', entry.target] };
  const outcome = await ask(run, { ...tool, target: entry.target });
  return outcome.code === 0;
}

/**
 * Makes sure that the file system that `path` lives on answers, when a server stands behind it. Call it before file
 * operations in this process.
 *
 * @throws AppError DRIVER_UNAVAILABLE when it does not answer, or not in time
 */
export async function probeFileSystem(run: ToolRunner, path: string): Promise<void> {
  const entry = findMountOf(await readMountTable(), path);
  if (entry === undefined || !isRemote(entry.fsType)) return;
  const outcome = await ask(run, { file: 'stat', args: ['-f', '--', entry.target], target: entry.target });
  if (outcome.code !== 0) throw new AppError('DRIVER_UNAVAILABLE', `the file system at ${entry.target} does not answer: ${outcome.stderr}`);
}

async function ask(run: ToolRunner, probe: { file: string; args: string[]; target: string }): Promise<{ code: number; stderr: string }> {
  try {
    return await run({ file: probe.file, args: probe.args, timeoutMs: PROBE_MS_MAX, purpose: `a look at ${probe.target}`, volumes: [] });
  } catch (error) {
    throw new AppError('DRIVER_UNAVAILABLE', `the file system at ${probe.target} does not answer`, { target: probe.target }, error);
  }
}

/** Types with a server behind them that can be gone. */
function isRemote(fsType: string): boolean {
  return REMOTE_TYPES.has(fsType) || abortMethod(fsType) === 'fuse';
}

const REMOTE_TYPES: ReadonlySet<string> = new Set([
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  'ceph',
  '9p',
  'virtiofs',
  'lustre',
  'afs',
  'orangefs',
  'beegfs',
  'gfs2',
  'ocfs2',
]);
/** A healthy server answers in milliseconds; one that needs longer than this is as good as down for a control call. */
const PROBE_MS_MAX = 5_000;
