import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** True when mounts can be made; root suites skip themselves otherwise. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** True when the program is installed; what needs it skips with its name otherwise. */
export async function hasTool(name: string): Promise<boolean> {
  try {
    await exec('sh', ['-c', 'command -v -- "$1"', 'sh', name]);
    return true;
  } catch {
    // Exit 127: not found, which is the answer.
    return false;
  }
}

/**
 * A folder of one test. `remove` unmounts everything below it, detaches the loop devices of its files and deletes it, so
 * that a failed test leaves nothing behind.
 */
export interface TestFolder {
  readonly path: string;
  /** Makes an image file `<path>/<name>.img` with a file system of this type. @returns its path */
  makeImage(name: string, options: { readonly type: 'ext4' | 'xfs'; readonly sizeMib?: number }): Promise<string>;
  /** The same, and mounts it at `<path>/<name>`. @returns where */
  mountImage(name: string, options: { readonly type: 'ext4' | 'xfs'; readonly sizeMib?: number }): Promise<string>;
  remove(): Promise<void>;
}

export async function makeTestFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'volplane-test-'));
  const makeImage: TestFolder['makeImage'] = async (name, options) => {
    const image = join(path, `${name}.img`);
    // 300 MiB is the smallest that mkfs.xfs takes.
    await exec('truncate', ['-s', `${String(options.sizeMib ?? (options.type === 'xfs' ? 300 : 32))}M`, image]);
    await exec(`mkfs.${options.type}`, ['-q', image]);
    return image;
  };
  return {
    path,
    makeImage,
    async mountImage(name, options) {
      const image = await makeImage(name, options);
      const target = join(path, name);
      await mkdir(target);
      await exec('mount', ['-o', 'loop', image, target]);
      return target;
    },
    async remove() {
      // Deepest first, and one at a time: a mount may lie on another.
      for (const target of (await mountsBelow(path)).toReversed()) {
        // On a file system that is left frozen its users would wait for ever, and could not be killed.
        await ignoreFailure(exec('fsfreeze', ['--unfreeze', target]));
        await ignoreFailure(exec('umount', ['--lazy', target]));
      }
      for (const device of await loopsBelow(path)) await ignoreFailure(exec('losetup', ['-d', device]));
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Loop devices whose backing file lies in `path`, deleted files included: what a leak test must find empty. */
export async function loopsBelow(path: string): Promise<readonly string[]> {
  const { stdout } = await exec('losetup', ['--list', '--noheadings', '--raw', '--output', 'NAME,BACK-FILE']);
  return stdout
    .split('\n')
    .filter((line) => line.split(' ')[1]?.startsWith(`${path}/`) === true)
    .flatMap((line) => line.split(' ').slice(0, 1));
}

/** Targets of the mounts at or below `path`, in mount order. */
export async function mountsBelow(path: string): Promise<readonly string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) => target === path || target.startsWith(`${path}/`));
}

/** Cleaning up goes on with the next part. */
async function ignoreFailure(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch {
    // Gone already, or still open by a process that the test has started and that ends with it.
  }
}
