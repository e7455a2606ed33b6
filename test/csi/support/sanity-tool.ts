import { spawn } from 'node:child_process';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SpecLevel } from '@volplane/csi';

/** A release of csi-sanity, and what it expects of the specification. */
export interface SanityRelease {
  readonly version: string;
  readonly levels: readonly SpecLevel[];
}

/** Newest first. The first that builds with the Go that is here is used. */
export const SANITY_RELEASES: readonly SanityRelease[] = [
  { version: 'v5.6.0', levels: ['1.12', '1.13'] },
  { version: 'v5.4.0', levels: ['1.11'] },
];

/** How one run ended. */
export interface SanityCount {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly pending: readonly string[];
}

/**
 * Builds csi-sanity as a Go module, once per release, into the cache folder.
 *
 * @returns the binary and the release that it is
 * @throws Error when Go is missing or no release builds
 */
export async function buildSanity(cacheFolder: string): Promise<{ readonly binary: string; readonly release: SanityRelease }> {
  const go = await run('go', ['version'], {}).catch(() => undefined);
  if (go?.code !== 0) throw new Error('csi-sanity is a Go program, and Go is not installed here: install Go 1.25 or newer and repeat');
  const faults: string[] = [];
  for (const release of SANITY_RELEASES) {
    const folder = join(cacheFolder, release.version);
    const binary = join(folder, 'csi-sanity');
    if (await exists(binary)) return { binary, release };
    await mkdir(folder, { recursive: true });
    process.stdout.write(`building csi-sanity ${release.version} (about a minute) …\n`);
    const env = { GOBIN: folder, CGO_ENABLED: '0', GOFLAGS: '-mod=mod' };
    // One after the other: an older release only when the newer one does not build.
    const built = await run('go', ['install', `github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@${release.version}`], env);
    if (built.code === 0) return { binary, release };
    faults.push(`${release.version}: ${built.stderr.trim()}`);
  }
  throw new Error(`no release of csi-sanity builds with the Go that is here:\n${faults.join('\n')}`);
}

export interface SanityRun {
  readonly binary: string;
  readonly endpoint: string;
  /** Where the Controller service is served, when elsewhere. */
  readonly controllerEndpoint?: string;
  /** An empty folder for targets, parameters and the report. */
  readonly folder: string;
  /** Parameters of the volumes that it makes, one `key: value` a line. */
  readonly volumeParameters?: string;
}

/** Runs every spec. @throws Error when csi-sanity itself cannot run */
export async function runSanity(options: SanityRun): Promise<SanityCount> {
  const { binary, endpoint, controllerEndpoint, folder, volumeParameters } = options;
  await writeFile(join(folder, 'mutable.yaml'), 'label/tier: gold\n');
  if (volumeParameters !== undefined) await writeFile(join(folder, 'volume.yaml'), volumeParameters);
  const report = join(folder, 'report.json');
  const args = [
    `-csi.endpoint=${endpoint}`,
    ...(controllerEndpoint === undefined ? [] : [`-csi.controllerendpoint=${controllerEndpoint}`]),
    `-csi.mountdir=${join(folder, 'mnt')}`,
    `-csi.stagingdir=${join(folder, 'stg')}`,
    `-csi.testvolumesize=${String(VOLUME_BYTES)}`,
    `-csi.testvolumeexpandsize=${String(2 * VOLUME_BYTES)}`,
    `-csi.testvolumemutableparameters=${join(folder, 'mutable.yaml')}`,
    ...(volumeParameters === undefined ? [] : [`-csi.testvolumeparameters=${join(folder, 'volume.yaml')}`]),
    '-csi.testnodevolumeattachlimit',
    '-ginkgo.no-color',
    `-ginkgo.json-report=${report}`,
    '-ginkgo.timeout=10m',
  ];
  const { stdout, stderr } = await run(binary, args, {});
  const text = await readFile(report, 'utf8').catch(() => {
    throw new Error(`csi-sanity did not run:\n${stdout.slice(-4_000)}${stderr.slice(-4_000)}`);
  });
  const count = countSpecs(text);
  if (count.failed.length > 0) process.stdout.write(stdout);
  return count;
}

/** Ginkgo's report: a list of suites, each with the state of every spec. */
export function countSpecs(report: string): SanityCount {
  const suites = JSON.parse(report) as readonly { readonly SpecReports: readonly SpecReport[] | null }[];
  const specs = suites.flatMap((suite) => suite.SpecReports ?? []).filter((spec) => spec.LeafNodeType === 'It');
  const named = (state: string): readonly string[] => specs.filter((spec) => spec.State === state).map(nameOf);
  const known = ['passed', 'skipped', 'pending'];
  return {
    passed: named('passed').length,
    skipped: named('skipped'),
    pending: named('pending'),
    failed: specs.filter((spec) => !known.includes(spec.State)).map(nameOf),
  };
}

interface SpecReport {
  readonly LeafNodeType: string;
  readonly LeafNodeText: string;
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly State: string;
}

function nameOf(spec: SpecReport): string {
  return [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText].join(' ');
}

/** As small as xfs allows; a few of them are alive at a time. */
const VOLUME_BYTES = 300 * 2 ** 20;

function run(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code: code ?? 255, ...output });
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
