import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOnPath } from './setup/binaries.mjs';
import { ensureKubernetesTools } from './setup/kubernetes-tools.mjs';
import { failWith, run, SetupError } from './setup/process.mjs';
import { setUp } from './setup/setup.mjs';
import { report, runSuites } from './setup/suites.mjs';
import { CACHE_FOLDER } from './setup/workspace.mjs';

/**
 * `npm run test:kubernetes`: builds a real Kubernetes once, and runs the suites that need one, which `npm test` leaves out. It fails where
 * that cannot be. `npm run test:kubernetes -- test/kubernetes/volumes.kubernetes.test.ts` runs that file only.
 *
 * The suites run in namespaces of their own, of mounts, processes and networks: whatever they start ends with them, also when this
 * process is killed, and nothing of it is seen outside.
 */

/** What it runs on beside its own programs, and Debian's package of each. */
const NEEDED = {
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  busybox: 'busybox-static',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  findmnt: 'util-linux',
  ip: 'iproute2',
  curl: 'curl',
  ps: 'procps',
  'mkfs.xfs': 'xfsprogs',
};

const INSIDE = '--inside';

try {
  const args = process.argv.slice(2);
  if (args[0] === INSIDE) await testInside(args.slice(1));
  else await testOutside(args);
} catch (error) {
  failWith(error);
  console.log('\n0 passed, 1 failed');
}

/** @param {readonly string[]} args */
async function testOutside(args) {
  await checkMachine();
  const setup = await setUp();
  const tools = await ensureKubernetesTools({ cacheFolder: CACHE_FOLDER, env: setup, say: console.log });
  const folder = await mkdtemp(join(tmpdir(), 'vk-'));
  const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc'];
  // It ends with this process, however that ends, and everything inside with it.
  const command = ['--pdeathsig', 'KILL', 'unshare', ...namespaces, process.execPath, fileURLToPath(import.meta.url), INSIDE, ...args];
  const env = { ...setup, TMPDIR: folder, VOLPLANE_TEST_KUBERNETES: tools, VOLPLANE_TEST_GROUP: `volplane-${basename(folder)}` };
  const child = spawn('setpriv', command, { env, stdio: 'inherit' });
  const passOn = () => child.kill('SIGKILL');
  process.on('SIGINT', passOn).on('SIGTERM', passOn).on('SIGHUP', passOn);
  await once(child, 'exit');
  await removeLoops(folder);
  await rm(folder, { recursive: true, force: true });
  await removeControlGroups(env.VOLPLANE_TEST_GROUP);
  process.exitCode = child.exitCode ?? 1;
}

/** @param {readonly string[]} args */
async function testInside(args) {
  await run('ip', ['link', 'set', 'lo', 'up'], {});
  // kubelet and containerd write there, whatever they are told.
  for (const folder of ['/run', '/var/log']) await run('mount', ['-t', 'tmpfs', 'tmpfs', folder], {});
  report(await runSuites({ args: args.length > 0 ? args : ['test/kubernetes'], env: process.env }));
}

async function checkMachine() {
  if (process.getuid?.() !== 0) throw new SetupError('A real Kubernetes needs root.');
  /** @type {string[]} */
  const missing = [];
  for (const [name, debianPackage] of Object.entries(NEEDED)) {
    if ((await findOnPath(name, process.env)) === undefined) missing.push(`${name} (Debian and Ubuntu: ${debianPackage})`);
  }
  if (missing.length > 0) throw new SetupError(`Kubernetes cannot be started, because these programs are missing: ${missing.join(', ')}.`);
}

/**
 * Loop devices and control groups are no part of any namespace here: they stay when a run was killed.
 *
 * @param {string} folder of the run
 */
async function removeLoops(folder) {
  const list = await run('losetup', ['--list', '--noheadings', '--raw', '--output', 'NAME,BACK-FILE']);
  for (const line of list.split('\n')) {
    const [device = '', file = ''] = line.split(' ');
    if (file.startsWith(`${folder}/`)) await run('losetup', ['--detach', device]);
  }
}

/** @param {string} prefix of the groups of the run */
async function removeControlGroups(prefix) {
  const mounted = await run('findmnt', ['--noheadings', '--raw', '--types', 'cgroup,cgroup2', '--output', 'TARGET']);
  for (const hierarchy of mounted.split('\n').filter((line) => line !== '')) {
    const names = (await readdir(hierarchy)).filter((name) => name.startsWith(prefix));
    // Folders of groups vanish as a whole when their subfolders have, the deepest first; their files cannot be removed.
    for (const name of names) await run('find', [join(hierarchy, name), '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
  }
}
