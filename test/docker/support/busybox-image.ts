import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const IMAGE = 'busybox';

/** A tar of a root file system with a static busybox: enough for a shell in a container, with no registry. */
export async function busyboxImage(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'volplane-image-'));
  try {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    const { stdout: busybox } = await promisify(execFile)('sh', ['-c', 'command -v busybox']);
    await copyFile(busybox.trim(), join(bin, 'busybox'));
    for (const tool of TOOLS) await symlink('busybox', join(bin, tool));
    const { stdout } = await promisify(execFile)('tar', ['-C', folder, '-c', '.'], { encoding: 'buffer', maxBuffer: IMAGE_BYTES_MAX });
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const TOOLS = [
  'sh',
  'sleep',
  'cat',
  'echo',
  'touch',
  'ls',
  'mkdir',
  'rm',
  'true',
  'date',
  'tail',
  'wc',
  'stat',
  'df',
  'id',
  'sync',
  'blockdev',
];
const IMAGE_BYTES_MAX = 64 * 1024 * 1024;
