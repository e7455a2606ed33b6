import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { POD_IMAGE } from './busybox-archive.js';

/** What one node of a test is: its name, and addresses and ports that no other has. */
export interface NodePlace {
  readonly name: string;
  readonly folder: string;
  readonly address: string;
  readonly kubeletPort: number;
  readonly healthPort: number;
}

/** The first node is 1. */
export function nodePlace(folder: string, name: string, number: number): NodePlace {
  return {
    name,
    folder: join(folder, name),
    address: `10.77.1.${String(number)}`,
    kubeletPort: KUBELET_PORT + number,
    healthPort: HEALTH_PORT + number,
  };
}

export function containerdSocket(node: NodePlace): string {
  return join(node.folder, 'containerd.sock');
}

/** The group of everything that a node's kubelet starts, below each hierarchy of the machine. */
export function controlGroup(node: NodePlace): string {
  return `/${process.env['VOLPLANE_TEST_GROUP'] ?? 'volplane-test'}-${node.name}`;
}

/** Writes the settings of containerd, which has no rights beyond those of the tests: no lower OOM score, no huge pages. @returns the file */
export async function writeContainerdFile(node: NodePlace): Promise<string> {
  const nets = join(node.folder, 'nets');
  await mkdir(nets, { recursive: true });
  // Pods use the network of the host. kubelet only wants to see that there is one for others.
  const net = { cniVersion: '0.4.0', name: 'none', plugins: [{ type: 'loopback' }] };
  await writeFile(join(nets, 'none.conflist'), JSON.stringify(net));
  const file = join(node.folder, 'containerd.toml');
  await writeFile(
    file,
    `version = 2
root = "${join(node.folder, 'containerd')}"
state = "${join(node.folder, 'containerd-run')}"
[grpc]
  address = "${containerdSocket(node)}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(node.folder, 'opt')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${POD_IMAGE}"
  disable_hugetlb_controller = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${nets}"
    conf_dir = "${nets}"
`,
  );
  return file;
}

/** Writes the settings of kubelet. @returns the file */
export async function writeKubeletFile(node: NodePlace): Promise<string> {
  const file = join(node.folder, 'kubelet.json');
  const config = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: `unix://${containerdSocket(node)}`,
    address: node.address,
    port: node.kubeletPort,
    healthzPort: node.healthPort,
    readOnlyPort: 0,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: controlGroup(node),
    // The machine of the tests decides which generation it has.
    failCgroupV1: false,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    enforceNodeAllocatable: [],
    // The disk of the machine is none of the tests' business.
    evictionHard: { 'memory.available': '1Mi', 'nodefs.available': '0%', 'nodefs.inodesFree': '0%', 'imagefs.available': '0%' },
    imageGCHighThresholdPercent: 100,
    podLogsDir: join(node.folder, 'logs'),
    volumePluginDir: join(node.folder, 'volume-plugins'),
    nodeStatusUpdateFrequency: '4s',
    nodeLeaseDurationSeconds: 8,
    syncFrequency: '10s',
    shutdownGracePeriod: '0s',
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

const KUBELET_PORT = 10_250;
const HEALTH_PORT = 10_350;
