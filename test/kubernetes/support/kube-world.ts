import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ChildProcesses } from '../../../deploy/dev/swarm/child-processes.js';
import { volctl } from '../../../services/ctl/test/volctl.js';
import { CsiCluster } from '../../csi/support/csi-cluster.js';
import { writePodImage } from './busybox-archive.js';
import { ControlPlane } from './control-plane.js';
import type { KubeApi, KubeObject } from './kube-api.js';
import { KubeNode } from './kube-node.js';
import { nodePlace } from './kubelet-files.js';
import { toolsFolder } from './kubernetes-suite.js';
import { storageClass } from './objects.js';
import { MANIFESTS, startSidecars, startSnapshotController } from './sidecars.js';

export const NODES = ['n1', 'n2'] as const;
export type NodeName = (typeof NODES)[number];

export const PLUGIN = 'csi.volplane.io';

/**
 * The drivers that deploy/kubernetes speaks of, and `disk`: images on storage that both nodes see. The images of local volumes are on a
 * file system of the machine, one folder for each node.
 */
const DRIVERS = [
  { kind: 'image', name: 'image', root: 'FOLDER/local-NODE', scope: 'local' },
  { kind: 'shared', name: 'shared', root: 'FOLDER/folders', unguarded: true },
  { kind: 'image', name: 'disk', root: 'FOLDER/disks', scope: 'global', unguarded: true },
];

/** What the tests need beside the classes of deploy/kubernetes. */
const CLASSES = [
  storageClass('volplane-block', { driver: 'image' }),
  storageClass('disk-manual', { driver: 'disk', takeover: 'manual' }),
  storageClass('disk-lease', { driver: 'disk', takeover: 'lease' }),
];

/**
 * A real Kubernetes of two nodes and a Volplane with an agent beside each kubelet, all as processes of this machine. It takes the process
 * for granted that runs it: in namespaces of its own for mounts, processes and networks, which `npm run test:kubernetes` makes.
 */
export class KubeWorld {
  readonly cluster: CsiCluster;
  readonly control: ControlPlane;
  readonly nodes: Readonly<Record<NodeName, KubeNode>>;
  readonly #processes: ChildProcesses;

  private constructor(cluster: CsiCluster, folder: string) {
    this.cluster = cluster;
    this.#processes = new ChildProcesses(folder);
    this.control = new ControlPlane(folder, this.#processes, NODES);
    const [n1, n2] = NODES.map((name, index) => new KubeNode(nodePlace(folder, name, index + 1), this.#processes));
    if (n1 === undefined || n2 === undefined) throw new Error('there are two nodes');
    this.nodes = { n1, n2 };
  }

  static async start(options: { readonly managerArgs?: readonly string[] } = {}): Promise<KubeWorld> {
    const cluster = await CsiCluster.start({
      nodes: NODES,
      driver: 'image',
      drivers: DRIVERS,
      agentArgs: ['--labels=zone=NODE', '--csi-topology=zone'],
      managerArgs: ['--csi-topology=zone', ...(options.managerArgs ?? [])],
    });
    const folder = join(cluster.folder, 'kube');
    await mkdir(folder);
    // Storage that every node sees is there before its volumes.
    await mkdir(join(cluster.folder, 'shared', 'disks'));
    const world = new KubeWorld(cluster, folder);
    try {
      await world.#start(folder);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  get api(): KubeApi {
    return this.control.api;
  }

  /** What a user of volctl reads. */
  async volctl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await volctl(args, { env: { VOLPLANE_ADDRESS: this.cluster.managerAddress } });
    if (code !== 0) throw new Error(`volctl ${args.join(' ')} ended with ${String(code)}: ${stderr}`);
    return stdout;
  }

  configOf(node: NodeName): string {
    return join(this.control.folder, `${node}.conf`);
  }

  async register(node: NodeName): Promise<void> {
    await this.nodes[node].register({ name: PLUGIN, endpoint: this.cluster.nodeEndpoint(node).replace('unix://', '') });
  }

  async stop(): Promise<void> {
    for (const name of NODES) await this.nodes[name].stop();
    await this.#processes.stop();
    await this.control.stop();
    // Containers outlive the processes that started them, and hold mounts.
    await endContainers(this.control.folder);
    await this.cluster.stop();
  }

  async #start(folder: string): Promise<void> {
    const images = join(folder, 'images.tar');
    await Promise.all([this.control.start(), writePodImage(images)]);
    for (const name of NODES) await this.nodes[name].start({ images, config: this.configOf(name) });
    await this.api.kubectl(['apply', '-f', join(toolsFolder(), 'crd')]);
    await this.api.kubectl(['apply', '-k', MANIFESTS]);
    await this.api.kubectl(['apply', '-f', join(MANIFESTS, 'snapshot-class.yaml')]);
    await this.api.apply(...CLASSES);
    for (const name of NODES) await this.register(name);
    await startSidecars(this.control, this.#processes, this.cluster.controllerEndpoint.replace('unix://', ''));
    await startSnapshotController(this.control, this.#processes);
    for (const name of NODES) {
      await this.api.until(`/api/v1/nodes/${name}`, `node ${name} is ready`, (node) => conditionOf(node.status, 'Ready') === 'True');
    }
  }
}

/** The status of a condition: True, False, Unknown, or nothing. */
export function conditionOf(
  status: { readonly conditions?: readonly { type: string; status: string }[] } | undefined,
  type: string,
): string | undefined {
  return status?.conditions?.find((condition) => condition.type === type)?.status;
}

/** Whether a claim or a pod is in this phase. */
export function isPhase(phase: string): (object: KubeObject) => boolean {
  return ({ status }) => status?.['phase'] === phase;
}

/** SIGKILL for every process below one of the folder's shims. */
async function endContainers(folder: string): Promise<void> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,args=']);
  const shims = stdout.split('\n').filter((line) => line.includes('containerd-shim') && line.includes(folder));
  for (const shim of shims.map((line) => Number(line.trim().split(' ')[0]))) await endTree(shim);
}

async function endTree(pid: number): Promise<void> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({ stdout: '' }));
  for (const child of stdout
    .split('\n')
    .map(Number)
    .filter((id) => id > 0))
    await endTree(child);
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}
