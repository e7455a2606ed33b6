import { loadProtocol } from '@volplane/wire';
import { BatchLane } from './batch-stream.js';
import type { Job } from './job.js';
import type { Meter } from './meter.js';
import { RawGrpc } from './raw-grpc.js';

const { volumes: calls } = loadProtocol();

/** The calls of our own door, and the volumes that they left. */
export class VolplaneLoad {
  readonly #prefix: string;
  readonly #names: string[] = [];
  #made = 0;
  #pairs = 0;
  readonly #mountable: string[] = [];
  #doors: { readonly manager: RawGrpc; readonly agent: RawGrpc } | undefined;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  async run(job: Job, newMeter: () => Meter): Promise<Meter> {
    this.#doors ??= { manager: new RawGrpc(job.targets.manager), agent: new RawGrpc(job.targets.agent) };
    const { manager, agent } = this.#doors;
    switch (job.workload) {
      case 'create':
        return await this.#drive(job, newMeter, () => this.#create(manager));
      case 'create-batch':
        return await this.#createBatch(job, newMeter(), manager);
      case 'get':
        await this.#have(manager, READ_VOLUMES);
        return await this.#drive(job, newMeter, (caller) => this.#get(manager, caller));
      case 'list':
        await this.#have(manager, READ_VOLUMES);
        return await this.#drive(job, newMeter, () => this.#list(manager));
      case 'mount-pair-agent':
      case 'mount-pair-manager':
        await this.#haveMountable(manager, job.callers);
        return await this.#drive(job, newMeter, (caller) =>
          this.#mountPair(job, job.workload === 'mount-pair-agent' ? agent : manager, caller),
        );
      case 'remove':
        return await this.#drive(job, newMeter, () => this.#remove(manager));
      default:
        throw new Error(`${job.workload} is not a call of ours`);
    }
  }

  async #drive(job: Job, newMeter: () => Meter, once: (caller: number) => Promise<boolean>): Promise<Meter> {
    const meter = newMeter();
    await meter.drive(job.callers, once);
    return meter;
  }

  #nextName(): string {
    this.#made += 1;
    return `${this.#prefix}-${String(this.#made)}`;
  }

  async #create(door: RawGrpc, name = this.#nextName()): Promise<boolean> {
    await door.call(calls.createVolume.path, calls.createVolume.encodeRequest({ name, driver: 'shared' }));
    this.#names.push(name);
    return true;
  }

  async #createBatch(job: Job, meter: Meter, door: RawGrpc): Promise<Meter> {
    const lanes = Math.ceil(job.callers / BATCH_LANE_VOLUMES);
    const window = Math.ceil(job.callers / lanes);
    const size = Math.min(window, BATCH_MESSAGE_VOLUMES);
    const next = (): { readonly message: Buffer; readonly volumes: number } | undefined => {
      if (meter.over) return undefined;
      const requests = Array.from({ length: size }, () => ({ name: this.#nextName(), driver: 'shared' }));
      this.#names.push(...requests.map(({ name }) => name));
      return { message: calls.createVolumes.encodeRequest(requests), volumes: size };
    };
    const lane = (): Promise<void> =>
      new BatchLane(door.stream(calls.createVolumes.path)).run(window, next, (volumes) => {
        meter.count(volumes);
      });
    await Promise.all(Array.from({ length: lanes }, lane));
    return meter;
  }

  async #get(door: RawGrpc, caller: number): Promise<boolean> {
    const name = this.#names[(caller * 7_919 + (this.#pairs += 1)) % this.#names.length] ?? '';
    await door.call(calls.getVolume.path, calls.getVolume.encodeRequest({ name }));
    return true;
  }

  async #list(door: RawGrpc): Promise<boolean> {
    await door.call(calls.listVolumes.path, calls.listVolumes.encodeRequest({ pageSize: LIST_PAGE }));
    return true;
  }

  async #mountPair(job: Job, door: RawGrpc, caller: number): Promise<boolean> {
    const name = this.#mountable[caller] ?? '';
    this.#pairs += 1;
    const mountId = `bench-${String(this.#pairs)}`;
    const { node } = job.targets;
    await door.call(calls.mountVolume.path, calls.mountVolume.encodeRequest({ name, mountId, node }));
    await door.call(calls.unmountVolume.path, calls.unmountVolume.encodeRequest({ name, mountId, node }));
    return true;
  }

  async #remove(door: RawGrpc): Promise<boolean> {
    const name = this.#names.pop();
    if (name === undefined) return false;
    await door.call(calls.removeVolume.path, calls.removeVolume.encodeRequest({ name }));
    return true;
  }

  async #have(door: RawGrpc, count: number): Promise<void> {
    while (this.#names.length < count) await Promise.all(Array.from({ length: 16 }, () => this.#create(door)));
  }

  /** Volumes of their own: no remove takes them away. */
  async #haveMountable(door: RawGrpc, count: number): Promise<void> {
    while (this.#mountable.length < count) {
      const name = `${this.#prefix}-mountable-${String(this.#mountable.length)}`;
      await door.call(calls.createVolume.path, calls.createVolume.encodeRequest({ name, driver: 'shared' }));
      this.#mountable.push(name);
    }
  }
}

/** Volumes that reads are spread over. */
const READ_VOLUMES = 512;
const LIST_PAGE = 100;

/** The server works on 128 volumes of one stream at once. */
const BATCH_LANE_VOLUMES = 128;
const BATCH_MESSAGE_VOLUMES = 32;
