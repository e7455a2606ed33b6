import { createHash } from 'node:crypto';
import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { call, callOk } from './call.js';

export const CACHE = fileURLToPath(new URL('../../../.cache/images', import.meta.url));

/**
 * The root of a Debian with a few packages, made once by debootstrap and kept in the cache. The packages come from the mirror that this
 * machine uses; where that is not Debian's, `VOLPLANE_TEST_DEBIAN_MIRROR` names one.
 *
 * @returns its folder; nobody may write there
 */
export async function debianRoot(suite: string, packages: readonly string[]): Promise<string> {
  const digest = createHash('sha256').update(packages.join()).digest('hex').slice(0, 8);
  const folder = join(CACHE, `${suite}-${digest}`);
  if (await isThere(folder)) return folder;
  const fresh = `${folder}.part`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(CACHE, { recursive: true });
  console.log(`        making a root of Debian ${suite}${packages.length === 0 ? '' : ` with ${packages.join(', ')}`}`);
  const include = packages.length === 0 ? [] : [`--include=${packages.join()}`];
  // An older debootstrap knows no name of a release that came after it; all since then are made as `sid` is.
  const args = ['--variant=minbase', ...include, suite, fresh, await debianMirror(), '/usr/share/debootstrap/scripts/sid'];
  // It mounts, and starts daemons' scripts: whatever becomes of it, nothing of that stays.
  await callOk('unshare', ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private', 'debootstrap', ...args]);
  await rm(join(fresh, 'var/cache/apt/archives'), { recursive: true, force: true });
  await mkdir(join(fresh, 'var/cache/apt/archives/partial'), { recursive: true });
  await writeFile(join(fresh, 'etc/apt/apt.conf.d/docker-clean'), CLEAN);
  await trustAsHere(fresh);
  await rename(fresh, folder);
  return folder;
}

/** What this machine fetches through may have an authority of its own, which every client in the root has to know. */
export async function trustAsHere(root: string): Promise<void> {
  if (!(await isThere(AUTHORITIES))) return;
  await mkdir(join(root, 'etc/ssl/certs'), { recursive: true });
  await copyFile(AUTHORITIES, join(root, AUTHORITIES));
}

export async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** As Debian's own images have it: what apt-get has fetched goes once it is installed. */
const CLEAN = 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n';

/** Where Debian and others keep them, in one file. */
export const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';

async function debianMirror(): Promise<string> {
  const named = process.env['VOLPLANE_TEST_DEBIAN_MIRROR'];
  if (named !== undefined && named !== '') return named;
  const { stdout } = await call('apt-get', ['indextargets', '--format', '$(LABEL) $(REPO_URI)', 'Created-By: Packages']);
  const mirror = /^Debian (\S+)$/m.exec(stdout)?.[1];
  if (mirror === undefined) throw new Error('apt-get of this machine names no mirror of Debian; set VOLPLANE_TEST_DEBIAN_MIRROR to one');
  return mirror;
}
