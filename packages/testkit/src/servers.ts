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
  const [client, peer, health] = await threePorts();
  const scheme = options.tls === undefined ? 'http' : 'https';
  const endpoint = `${scheme}://127.0.0.1:${String(client)}`;
  const peerUrl = `http://127.0.0.1:${String(peer)}`;
  // A listener of its own, because the client port may want certificates.
  const healthUrl = `http://127.0.0.1:${String(health)}`;
  const server = await ServerProcess.start({
    binary: 'etcd',
    binaryVariable: 'VOLPLANE_BIN_ETCD',
    args: (directory) => [
      ...['--name=test', `--data-dir=${join(directory, 'data')}`, '--logger=zap', '--log-level=warn', '--log-outputs=stderr'],
      ...[`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`, `--listen-metrics-urls=${healthUrl}`],
      ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`, `--initial-cluster=test=${peerUrl}`],
      ...tlsArgs(options.tls),
      ...(options.args ?? []),
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

async function threePorts(): Promise<readonly [number, number, number]> {
  const [first = 0, second = 0, third = 0] = await freePorts(3);
  return [first, second, third];
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
