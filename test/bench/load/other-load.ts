import { Agent, request } from 'node:http';
import { Etcd3 } from 'etcd3';
import { CsiClient } from '../../../packages/csi/test/support/csi-client.js';
import { CHAIN_DOCUMENT, CHAIN_PATHS } from '../chain/chain-path.js';
import { ECHO_PATH } from '../echo-path.js';
import type { Job } from './job.js';
import type { Meter } from './meter.js';
import { RawGrpc } from './raw-grpc.js';

/** What people would use instead, or what the machine gives at most. */
export class OtherLoad {
  readonly #prefix: string;
  readonly #docker: string[] = [];
  readonly #csi: string[] = [];
  #made = 0;
  #echo: RawGrpc | undefined;
  #chain: RawGrpc | undefined;
  #etcd: Etcd3 | undefined;
  #csiClient: CsiClient | undefined;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1_024 });

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  async run(job: Job, newMeter: () => Meter): Promise<Meter> {
    const once = this.#operation(job);
    const meter = newMeter();
    await meter.drive(job.callers, once);
    return meter;
  }

  #operation({ workload, targets }: Job): () => Promise<boolean> {
    switch (workload) {
      case 'echo': {
        const door = (this.#echo ??= new RawGrpc(targets.echo));
        return async () => (await door.call(ECHO_PATH, ECHO_BYTES)).length === ECHO_BYTES.length;
      }
      case 'etcd-put':
      case 'etcd-create': {
        const etcd = (this.#etcd ??= new Etcd3({ hosts: targets.etcd }));
        return workload === 'etcd-put' ? () => this.#etcdPut(etcd) : () => this.#etcdCreate(etcd);
      }
      case 'bare-create':
      case 'bare-pair': {
        const door = (this.#chain ??= new RawGrpc(targets.chain));
        return workload === 'bare-create' ? () => this.#chainCall(door, CHAIN_PATHS.create) : () => this.#chainPair(door);
      }
      case 'docker-create':
        return () => this.#dockerCreate(targets.docker);
      case 'docker-remove':
        return () => this.#dockerRemove(targets.docker);
      case 'csi-create':
      case 'csi-delete': {
        const client = (this.#csiClient ??= new CsiClient(targets.csi.replace(/^unix:\/\//, '')));
        return workload === 'csi-create' ? () => this.#csiCreate(client) : () => this.#csiDelete(client);
      }
      default:
        throw new Error(`${workload} is a call of ours`);
    }
  }

  #nextName(): string {
    this.#made += 1;
    return `${this.#prefix}-${String(this.#made)}`;
  }

  async #etcdPut(etcd: Etcd3): Promise<boolean> {
    await etcd.put(`/bench/${this.#nextName()}`).value(CHAIN_DOCUMENT);
    return true;
  }

  async #etcdCreate(etcd: Etcd3): Promise<boolean> {
    const key = `/bench/${this.#nextName()}`;
    const { succeeded } = await etcd.if(key, 'Create', '==', 0).then(etcd.put(key).value(CHAIN_DOCUMENT)).commit();
    if (!succeeded) throw new Error(`${key} was there already`);
    return true;
  }

  async #chainCall(door: RawGrpc, path: string): Promise<boolean> {
    await door.call(path, Buffer.from(this.#nextName()));
    return true;
  }

  async #chainPair(door: RawGrpc): Promise<boolean> {
    await this.#chainCall(door, CHAIN_PATHS.mount);
    return await this.#chainCall(door, CHAIN_PATHS.mount);
  }

  async #dockerCreate(socket: string): Promise<boolean> {
    const name = this.#nextName();
    await this.#engine(socket, 'POST', '/volumes/create', JSON.stringify({ Name: name }), 201);
    this.#docker.push(name);
    return true;
  }

  async #dockerRemove(socket: string): Promise<boolean> {
    const name = this.#docker.pop();
    if (name === undefined) return false;
    await this.#engine(socket, 'DELETE', `/volumes/${name}`, '', 204);
    return true;
  }

  async #csiCreate(client: CsiClient): Promise<boolean> {
    const create = { name: this.#nextName(), volume_capabilities: [{ mount: {}, access_mode: { mode: 1 } }] };
    this.#csi.push((await client.call('CreateVolume', create)).volume.volume_id);
    return true;
  }

  async #csiDelete(client: CsiClient): Promise<boolean> {
    const volume_id = this.#csi.pop();
    if (volume_id === undefined) return false;
    await client.call('DeleteVolume', { volume_id });
    return true;
  }

  #engine(socketPath: string, method: string, path: string, body: string, expected: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), host: 'docker' };
      const outgoing = request({ socketPath, agent: this.#agent, method, path: `/v1.41${path}`, headers }, (response) => {
        response.resume();
        response.once('end', () => {
          if (response.statusCode === expected) resolve();
          else reject(new Error(`the engine answered ${String(response.statusCode)} to ${method} ${path}`));
        });
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }
}

/** As long as the answer of a get. */
const ECHO_BYTES = Buffer.alloc(330, 'x');
