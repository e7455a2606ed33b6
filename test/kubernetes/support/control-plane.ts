import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startEtcd, type TestServer } from '@volplane/testkit';
import type { ChildProcesses } from '../../../deploy/dev/swarm/child-processes.js';
import { ADMIN_TOKEN, API_PORT, KubeApi } from './kube-api.js';
import { toolsFolder } from './kubernetes-suite.js';

/** The address of the API server, and the one that pods find in the service `kubernetes`; both on loopback, but neither looks like it. */
export const API_ADDRESS = '10.77.0.1';
const SERVICE_NETWORK = '10.96.0.0/16';

/** etcd, API server, controller manager and scheduler, with real authorization. Everything is in the folder. */
export class ControlPlane {
  readonly api: KubeApi;
  /** Of keys, tokens and files with which programs speak to the API server. */
  readonly folder: string;
  readonly #processes: ChildProcesses;
  readonly #nodes: readonly string[];
  #etcd: TestServer | undefined;

  constructor(folder: string, processes: ChildProcesses, nodes: readonly string[]) {
    this.folder = folder;
    this.#processes = processes;
    this.#nodes = nodes;
    this.api = new KubeApi(folder, join(toolsFolder(), 'bin', 'kubectl'));
  }

  async start(): Promise<void> {
    await promisify(execFile)('ip', ['address', 'replace', `${API_ADDRESS}/32`, 'dev', 'lo']);
    const etcd = await startEtcd();
    this.#etcd = etcd;
    await this.#writeKeys();
    await this.#startApiServer(etcd.endpoints.join(','));
    for (const [name, token] of [['admin', ADMIN_TOKEN], ...[...USERS, ...this.#nodes].map((user) => [user, user] as const)] as const)
      await this.writeConfig(name, token);
    await Promise.all([this.#startControllers(), this.#startScheduler()]);
  }

  async stop(): Promise<void> {
    this.api.close();
    await this.#etcd?.stop();
  }

  /** A file with which a program speaks to the API server as the owner of the token. @returns its path */
  async writeConfig(name: string, token: string): Promise<string> {
    const path = join(this.folder, `${name}.conf`);
    const cluster = {
      server: `https://${API_ADDRESS}:${String(API_PORT)}`,
      'certificate-authority': join(this.folder, 'apiserver', 'apiserver.crt'),
    };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster }],
      users: [{ name, user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: name } }],
      'current-context': 'test',
    };
    await writeFile(path, JSON.stringify(config));
    return path;
  }

  async #writeKeys(): Promise<void> {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(join(this.folder, 'accounts.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const tokens = [
      `${ADMIN_TOKEN},admin,admin,system:masters`,
      ...USERS.map((user) => `${user},system:${user},${user},`),
      ...this.#nodes.map((node) => `${node},system:node:${node},${node},system:nodes`),
    ];
    await writeFile(join(this.folder, 'tokens.csv'), tokens.join('\n'));
  }

  async #startApiServer(etcd: string): Promise<void> {
    const key = join(this.folder, 'accounts.key');
    await this.#start('kube-apiserver', '/readyz', API_PORT, [
      `--etcd-servers=${etcd}`,
      ...[`--bind-address=0.0.0.0`, `--advertise-address=${API_ADDRESS}`, `--secure-port=${String(API_PORT)}`],
      ...[`--cert-dir=${join(this.folder, 'apiserver')}`, `--service-cluster-ip-range=${SERVICE_NETWORK}`],
      ...['--service-account-issuer=https://kubernetes.default.svc', `--service-account-key-file=${key}`],
      ...[`--service-account-signing-key-file=${key}`, `--token-auth-file=${join(this.folder, 'tokens.csv')}`],
      ...['--kubelet-preferred-address-types=InternalIP', '--authorization-mode=Node,RBAC'],
      ...['--enable-admission-plugins=NodeRestriction', '--allow-privileged=true'],
    ]);
  }

  async #startControllers(): Promise<void> {
    await this.#start('kube-controller-manager', '/healthz', 10_257, [
      ...[`--kubeconfig=${join(this.folder, 'kube-controller-manager.conf')}`, '--leader-elect=false'],
      ...[`--service-account-private-key-file=${join(this.folder, 'accounts.key')}`, '--use-service-account-credentials=true'],
      ...[`--root-ca-file=${join(this.folder, 'apiserver', 'apiserver.crt')}`, `--cert-dir=${join(this.folder, 'controllers')}`],
      // A node is NotReady sooner than in the world, so that the tests end sooner.
      ...['--node-monitor-period=2s', '--node-monitor-grace-period=16s'],
    ]);
  }

  async #startScheduler(): Promise<void> {
    await this.#start('kube-scheduler', '/healthz', 10_259, [
      ...[`--kubeconfig=${join(this.folder, 'kube-scheduler.conf')}`, '--leader-elect=false'],
      `--cert-dir=${join(this.folder, 'scheduler')}`,
    ]);
  }

  async #start(name: string, path: string, port: number, args: readonly string[]): Promise<void> {
    const command = { name, command: join(toolsFolder(), 'bin', name), args };
    await this.#processes.start(command, async () => (await healthOf(port, path)) === 200);
  }
}

const USERS = ['kube-controller-manager', 'kube-scheduler'];

/** The HTTP status with which a component tells its health. */
async function healthOf(port: number, path: string): Promise<number> {
  const { stdout } = await promisify(execFile)('curl', [
    ...['--silent', '--insecure', '--max-time', '5', '--output', '/dev/null', '--write-out', '%{http_code}'],
    `https://127.0.0.1:${String(port)}${path}`,
  ]).catch(() => ({ stdout: '0' }));
  return Number(stdout);
}
