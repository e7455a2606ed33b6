import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath } from './binaries.mjs';
import { run, SetupError } from './process.mjs';

/**
 * The programs of a real Kubernetes and the sidecars of CSI plugins, built from their Go modules. The one place where their versions are
 * pinned. The sidecars are of the same months as Kubernetes, and are built with its client libraries.
 */
export const VERSIONS = {
  kubernetes: 'v1.36.1',
  provisioner: 'v6.3.0',
  attacher: 'v4.12.0',
  resizer: 'v2.2.0',
  snapshotter: 'v8.6.0',
};

const SIDECARS = 'github.com/kubernetes-csi';

// Modules by their paths. The snapshotter’s own client has the version of the snapshotter.
/** @type {Readonly<Record<string, string>>} */
const MODULES = {
  'k8s.io/kubernetes': VERSIONS.kubernetes,
  [`${SIDECARS}/external-provisioner/v6`]: VERSIONS.provisioner,
  [`${SIDECARS}/external-attacher/v4`]: VERSIONS.attacher,
  [`${SIDECARS}/external-resizer/v2`]: VERSIONS.resizer,
  [`${SIDECARS}/external-snapshotter/v8`]: VERSIONS.snapshotter,
  [`${SIDECARS}/external-snapshotter/client/v8`]: VERSIONS.snapshotter,
};

const PROGRAMS = [
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kubectl'].map((name) => `k8s.io/kubernetes/cmd/${name}`),
  `${SIDECARS}/external-provisioner/v6/cmd/csi-provisioner`,
  `${SIDECARS}/external-attacher/v4/cmd/csi-attacher`,
  `${SIDECARS}/external-resizer/v2/cmd/csi-resizer`,
  `${SIDECARS}/external-snapshotter/v8/cmd/csi-snapshotter`,
  `${SIDECARS}/external-snapshotter/v8/cmd/snapshot-controller`,
];

/** On 2 cores it takes half an hour. */
const BUILD_TIMEOUT_MS = 2 * 60 * 60_000;

/**
 * Builds them once for these versions.
 *
 * @param {{ readonly cacheFolder: string, readonly env: NodeJS.ProcessEnv, readonly say: (line: string) => void }} context
 * @returns {Promise<string>} a folder with the programs in `bin`, the definitions of the snapshot objects in `crd`, and in `rbac` the rights
 *   that each sidecar's own people give it
 * @throws {SetupError} when Go is missing or something does not build
 */
export async function ensureKubernetesTools({ cacheFolder, env, say }) {
  if ((await findOnPath('go', env)) === undefined) {
    throw new SetupError('Kubernetes is built from its Go modules, and Go is not installed here: install Go 1.26 or newer and repeat.');
  }
  const digest = createHash('sha256')
    .update(JSON.stringify([MODULES, PROGRAMS]))
    .digest('hex')
    .slice(0, 12);
  const folder = join(cacheFolder, 'kubernetes', digest);
  const done = join(folder, 'done');
  if (existsSync(done)) return folder;
  say(`Kubernetes ${VERSIONS.kubernetes} and the sidecars are built from their Go modules; the first time takes half an hour …`);
  await mkdir(join(folder, 'bin'), { recursive: true });
  const goEnv = { ...env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod' };
  const go = (/** @type {readonly string[]} */ ...args) =>
    run('nice', ['-n', '19', 'go', ...args], { cwd: folder, env: goEnv, timeoutMs: BUILD_TIMEOUT_MS, progress: say });
  await writeFile(join(folder, 'go.mod'), 'module volplane.example/kubernetes\n');
  await writeFile(join(folder, 'go.mod'), await goMod(go));
  await go('build', '-trimpath', `-ldflags=${LINKER_FLAGS}`, '-o', 'bin/', ...PROGRAMS);
  await copyDefinitions(go, join(folder, 'crd'));
  await copyRights(go, join(folder, 'rbac'));
  await writeFile(done, '');
  return folder;
}

/** Kubernetes tells its own version from what the linker was told, and decides by it which features are on. */
const LINKER_FLAGS = [
  '-s',
  '-w',
  ...Object.entries({
    gitVersion: VERSIONS.kubernetes,
    gitMajor: VERSIONS.kubernetes.slice(1).split('.')[0],
    gitMinor: VERSIONS.kubernetes.split('.')[1],
  }).map(([name, value]) => `-X=k8s.io/component-base/version.${name}=${String(value)}`),
].join(' ');

/**
 * Kubernetes' module takes its libraries from folders of its own repository; the same libraries are modules of version 0.
 *
 * @param {(...args: readonly string[]) => Promise<string>} go
 */
async function goMod(go) {
  const { GoMod: path } = await moduleOf(go, 'k8s.io/kubernetes');
  const text = await readFile(path, 'utf8');
  const libraries = [...text.matchAll(/^\s*(k8s\.io\/[a-z-]+) => \.\/staging\//gm)].map((match) => match[1]);
  const version = VERSIONS.kubernetes.replace(/^v1\./, 'v0.');
  return [
    'module volplane.example/kubernetes',
    `go ${/^go (.*)$/m.exec(text)?.[1] ?? '1.26'}`,
    `require (\n${Object.entries(MODULES)
      .map(([module, wanted]) => `\t${module} ${wanted}`)
      .join('\n')}\n)`,
    `replace (\n${libraries.map((name) => `\t${String(name)} => ${String(name)} ${version}`).join('\n')}\n)`,
    '',
  ].join('\n\n');
}

/**
 * @param {(...args: readonly string[]) => Promise<string>} go
 * @param {string} folder
 */
async function copyDefinitions(go, folder) {
  const { Dir: module } = await moduleOf(go, `${SIDECARS}/external-snapshotter/client/v8`);
  const from = join(module, 'config', 'crd');
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(from)) {
    // Those of groups are alpha and have a controller of their own.
    if (name.startsWith('snapshot.')) await copyFile(join(from, name), join(folder, name));
  }
}

/**
 * @param {(...args: readonly string[]) => Promise<string>} go
 * @param {string} folder
 */
async function copyRights(go, folder) {
  await mkdir(folder, { recursive: true });
  for (const [sidecar, [module, file]] of Object.entries(RIGHTS)) {
    const { Dir } = await moduleOf(go, `${SIDECARS}/${module}`);
    await copyFile(join(Dir, 'deploy', 'kubernetes', file), join(folder, `${sidecar}.yaml`));
  }
}

/** @type {Readonly<Record<string, readonly [module: string, file: string]>>} */
const RIGHTS = {
  provisioner: ['external-provisioner/v6', 'rbac.yaml'],
  attacher: ['external-attacher/v4', 'rbac.yaml'],
  resizer: ['external-resizer/v2', 'rbac.yaml'],
  snapshotter: ['external-snapshotter/v8', 'csi-snapshotter/rbac-csi-snapshotter.yaml'],
};

/**
 * @param {(...args: readonly string[]) => Promise<string>} go
 * @param {string} module
 * @returns {Promise<{ readonly Dir: string, readonly GoMod: string }>}
 */
async function moduleOf(go, module) {
  const output = await go('mod', 'download', '-json', `${module}@${String(MODULES[module])}`);
  /** @type {unknown} */
  const told = JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1));
  return /** @type {{ readonly Dir: string, readonly GoMod: string }} */ (told);
}
