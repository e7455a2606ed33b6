import { connect } from 'node:net';
import { join } from 'node:path';
import { freePorts, ServerProcess, type TestServer } from './server-process.js';

export interface EtcdServer extends TestServer {
  /** Client addresses, `http://127.0.0.1:port` (https with `tls`). One server has one. */
  readonly endpoints: readonly string[];
}

export interface EtcdOptions {
  /** Further command line arguments, such as `--auto-compaction-retention=1`. */
  readonly args?: readonly string[];
  /** Paths of PEM files; clients must then use TLS, and with `trustedCaFile` show a certificate of that authority. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly trustedCaFile?: string };
}

export interface NatsServer extends TestServer {
  /** `nats://127.0.0.1:port` */
  readonly url: string;
}

export interface NatsOptions {
  /** Further command line arguments, such as `--auth=token`. */
  readonly args?: readonly string[];
}

/** Starts a real etcd of one member with a fresh data folder. The binary: VOLPLANE_BIN_ETCD, else `etcd` on PATH. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  const [first] = await startEtcdCluster(1, options);
  if (first === undefined) throw new Error('a cluster of one has a member');
  return first;
}

/** Starts a real etcd of several members, each a server of its own that a test can kill; 3 of them survive the loss of one. */
export async function startEtcdCluster(size: number, options: EtcdOptions = {}): Promise<readonly EtcdServer[]> {
  const scheme = options.tls === undefined ? 'http' : 'https';
  const hosts = (await freePorts(3 * size)).map((port) => `127.0.0.1:${String(port)}`);
  const members = Array.from({ length: size }, (_, index): Member => {
    const [client = '', peer = '', health = ''] = hosts.slice(3 * index);
    return { name: `test${String(index)}`, endpoint: `${scheme}://${client}`, peerUrl: `http://${peer}`, healthUrl: `http://${health}` };
  });
  // At once, for a member answers only when most of them are up.
  return await Promise.all(members.map((member) => startMember(member, members, options)));
}

interface Member {
  readonly name: string;
  readonly endpoint: string;
  readonly peerUrl: string;
  /** A listener of its own, because the client port may want certificates. */
  readonly healthUrl: string;
}

async function startMember(member: Member, members: readonly Member[], { tls, args = [] }: EtcdOptions): Promise<EtcdServer> {
  const { name, endpoint, peerUrl, healthUrl } = member;
  const server = await ServerProcess.start({
    binary: 'etcd',
    binaryVariable: 'VOLPLANE_BIN_ETCD',
    args: (directory) => [
      ...[`--name=${name}`, `--data-dir=${join(directory, 'data')}`, '--logger=zap', '--log-level=warn', '--log-outputs=stderr'],
      ...[`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`, `--listen-metrics-urls=${healthUrl}`],
      ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
      `--initial-cluster=${members.map((one) => `${one.name}=${one.peerUrl}`).join(',')}`,
      ...tlsArgs(tls),
      ...args,
    ],
    answers: () => isHealthy(`${healthUrl}/health`),
  });
  return Object.assign(server, { endpoints: [endpoint] });
}

/** Starts a real nats-server. The binary: VOLPLANE_BIN_NATS_SERVER, else `nats-server` on PATH. */
export async function startNatsServer(options: NatsOptions = {}): Promise<NatsServer> {
  const [port = 0] = await freePorts(1);
  const server = await ServerProcess.start({
    binary: 'nats-server',
    binaryVariable: 'VOLPLANE_BIN_NATS_SERVER',
    args: (directory) => ['--addr=127.0.0.1', `--port=${String(port)}`, `--store_dir=${directory}`, ...(options.args ?? [])],
    answers: () => greets(port),
  });
  return Object.assign(server, { url: `nats://127.0.0.1:${String(port)}` });
}

function tlsArgs(tls: EtcdOptions['tls']): readonly string[] {
  if (tls === undefined) return [];
  const args = [`--cert-file=${tls.certFile}`, `--key-file=${tls.keyFile}`];
  return tls.trustedCaFile === undefined ? args : [...args, `--trusted-ca-file=${tls.trustedCaFile}`, '--client-cert-auth'];
}

async function isHealthy(url: string): Promise<boolean> {
  const response = await fetch(url);
  const body: unknown = await response.json();
  return typeof body === 'object' && body !== null && 'health' in body && String(body.health) === 'true';
}

/** A nats-server that is ready speaks first: one INFO line. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const finish = (ready: boolean): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.once('data', (chunk) => {
      finish(chunk.toString('utf8').startsWith('INFO '));
    });
    socket.once('error', () => {
      finish(false);
    });
    socket.once('close', () => {
      resolve(false);
    });
  });
}
