import { AppError, assert, hasReason, systemClock, systemRandom, type Clock, type Random, type Resource } from '@volplane/base';
import type {
  CapacityRequest,
  CapacityView,
  CreateVolumeRequest,
  DeclareNodeLostRequest,
  DrainView,
  DriverView,
  ExpandVolumeRequest,
  ExplainVolumeRequest,
  ForceReleaseRequest,
  ListSnapshotsRequest,
  ListVolumesRequest,
  MountView,
  MountVolumeRequest,
  NodeEvent,
  NodeLostPlan,
  NodePage,
  NodeView,
  PageRequest,
  ReleaseGoneRequest,
  RemoveVolumeRequest,
  SnapshotPage,
  SnapshotRequest,
  StringMap,
  TransferOwnershipRequest,
  UnmountVolumeRequest,
  UpdateLabelsRequest,
  VolumeEvent,
  VolumeExplanation,
  VolumePage,
  VolumeRef,
  VolumeView,
  WatchRequest,
} from '@volplane/domain';
import type { CallContext, VolplaneApi } from '@volplane/engine';
import { loadProtocol, type BatchResult, type Method, type Protocol } from '@volplane/wire';
import { ChannelCredentials } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { RPC_LIMITS } from '../limits.js';
import { parseListenAddress } from '../listen-address.js';
import { Endpoint, EndpointFailure } from './endpoint.js';
import { Failover, type Repetition } from './failover.js';

export interface ClientOptions {
  /** Managers, or one agent: `host:port`, `[ipv6]:port`, `unix:/path`. Tried in this order, later ones when earlier ones fail. */
  readonly addresses: readonly string[];
  /** For TCP addresses. Absent: plain text. */
  readonly tls?: ClientTls;
  /** No call takes longer, however much its context allows. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** PEM texts. */
export interface ClientTls {
  /** Absent: the authorities of the system. */
  readonly ca?: Buffer;
  /** What the client shows of itself, where the server asks. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** The name in the server's certificate, where it is not the address. */
  readonly serverName?: string;
}

/** @throws AppError INVALID_ARGUMENT for no address and for one that is none */
export function createClient(options: ClientOptions): VolplaneClient {
  if (options.addresses.length === 0) throw new AppError('INVALID_ARGUMENT', 'no address was given', { field: 'addresses' });
  return new VolplaneClient(options);
}

/**
 * The API over gRPC: what a server refuses with is thrown as the same AppError here. Connects when the first call needs it.
 *
 * Sends a call again, to the next address, where a server cannot be reached or stops, and where that is safe. A connection that is
 * lost with a call on it that cannot be repeated is UNKNOWN_OUTCOME.
 */
export class VolplaneClient implements VolplaneApi, Resource {
  readonly name = 'rpc client';
  readonly #protocol: Protocol;
  readonly #endpoints: readonly Endpoint[];
  readonly #failover: Failover;
  readonly #timeoutMsMax: number;
  readonly #clock: Clock;

  constructor(options: ClientOptions) {
    this.#protocol = loadProtocol();
    this.#clock = options.clock ?? systemClock;
    this.#timeoutMsMax = options.timeoutMs ?? TIMEOUT_MS_MAX;
    this.#endpoints = options.addresses.map((address) => {
      const { kind } = parseListenAddress(address);
      const tls = kind === 'tcp' ? options.tls : undefined;
      return new Endpoint(address, credentials(tls), this.#protocol.status, tls?.serverName);
    });
    this.#failover = new Failover({ endpoints: this.#endpoints, clock: this.#clock, random: options.random ?? systemRandom });
  }

  createVolume(request: CreateVolumeRequest, context: CallContext): Promise<VolumeView> {
    return this.#unary('same', this.#protocol.volumes.createVolume, request, context);
  }
  getVolume(request: VolumeRef, context: CallContext): Promise<VolumeView> {
    return this.#unary('read', this.#protocol.volumes.getVolume, request, context);
  }
  listVolumes(request: ListVolumesRequest, context: CallContext): Promise<VolumePage> {
    return this.#unary('read', this.#protocol.volumes.listVolumes, request, context);
  }
  updateLabels(request: UpdateLabelsRequest, context: CallContext): Promise<VolumeView> {
    // After the first one was done, the expected generation is no more.
    const repetition = request.expectedGeneration === undefined ? 'same' : 'once';
    return this.#unary(repetition, this.#protocol.volumes.updateLabels, request, context);
  }
  async removeVolume(request: RemoveVolumeRequest, context: CallContext): Promise<void> {
    // By name alone a second sending could remove what somebody made after the first.
    const repetition = request.uid === undefined ? 'once' : 'same';
    try {
      await this.#unary(repetition, this.#protocol.volumes.removeVolume, request, context);
    } catch (error) {
      if (hasReason(error, 'UNKNOWN_OUTCOME') && error.failure.fields['then'] === 'VOLUME_NOT_FOUND') return;
      throw error;
    }
  }
  forgetVolume(request: VolumeRef, context: CallContext): Promise<void> {
    return this.#unary('once', this.#protocol.volumes.forgetVolume, request, context);
  }
  mountVolume(request: MountVolumeRequest, context: CallContext): Promise<MountView> {
    return this.#unary('same', this.#protocol.volumes.mountVolume, request, context);
  }
  unmountVolume(request: UnmountVolumeRequest, context: CallContext): Promise<void> {
    return this.#unary('same', this.#protocol.volumes.unmountVolume, request, context);
  }
  getPath(request: VolumeRef, context: CallContext): Promise<{ readonly path?: string }> {
    return this.#unary('read', this.#protocol.volumes.getPath, request, context);
  }
  getStatus(request: VolumeRef, context: CallContext): Promise<{ readonly status: StringMap }> {
    return this.#unary('read', this.#protocol.volumes.getStatus, request, context);
  }
  transferOwnership(request: TransferOwnershipRequest, context: CallContext): Promise<VolumeView> {
    return this.#unary('same', this.#protocol.volumes.transferOwnership, request, context);
  }
  forceRelease(request: ForceReleaseRequest, context: CallContext): Promise<VolumeView> {
    // The node may have attached the volume again after the first.
    return this.#unary('once', this.#protocol.volumes.forceRelease, request, context);
  }
  releaseGone(request: ReleaseGoneRequest, context: CallContext): Promise<VolumeView> {
    return this.#unary('same', this.#protocol.volumes.releaseGone, request, context);
  }
  expandVolume(request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView> {
    return this.#unary('same', this.#protocol.volumes.expandVolume, request, context);
  }
  createSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    return this.#unary('same', this.#protocol.volumes.createSnapshot, request, context);
  }
  removeSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    return this.#unary('once', this.#protocol.volumes.removeSnapshot, request, context);
  }
  listSnapshots(request: ListSnapshotsRequest, context: CallContext): Promise<SnapshotPage> {
    return this.#unary('read', this.#protocol.volumes.listSnapshots, request, context);
  }
  getCapacity(request: CapacityRequest, context: CallContext): Promise<CapacityView> {
    return this.#unary('read', this.#protocol.drivers.getCapacity, request, context);
  }
  explainVolume(request: ExplainVolumeRequest, context: CallContext): Promise<VolumeExplanation> {
    return this.#unary('read', this.#protocol.volumes.explainVolume, request, context);
  }
  watchVolumes(request: WatchRequest, context: CallContext): AsyncGenerator<VolumeEvent> {
    return this.#watch(this.#protocol.volumes.watchVolumes, request, context);
  }
  listNodes(request: PageRequest, context: CallContext): Promise<NodePage> {
    return this.#unary('read', this.#protocol.nodes.listNodes, request, context);
  }
  getNode(request: { readonly name: string }, context: CallContext): Promise<NodeView> {
    return this.#unary('read', this.#protocol.nodes.getNode, request, context);
  }
  cordonNode(request: { readonly name: string; readonly cordoned: boolean }, context: CallContext): Promise<NodeView> {
    const { cordonNode, uncordonNode } = this.#protocol.nodes;
    return this.#unary('same', request.cordoned ? cordonNode : uncordonNode, request, context);
  }
  drainNode(request: { readonly name: string }, context: CallContext): Promise<DrainView> {
    return this.#unary('same', this.#protocol.nodes.drainNode, request, context);
  }
  planNodeLost(request: { readonly name: string }, context: CallContext): Promise<NodeLostPlan> {
    return this.#unary('read', this.#protocol.nodes.planNodeLost, request, context);
  }
  declareNodeLost(request: DeclareNodeLostRequest, context: CallContext): Promise<NodeLostPlan> {
    // After the first one was done, the plan is no more.
    return this.#unary('once', this.#protocol.nodes.declareNodeLost, request, context);
  }
  watchNodes(request: WatchRequest, context: CallContext): AsyncGenerator<NodeEvent> {
    return this.#watch(this.#protocol.nodes.watchNodes, request, context);
  }
  listDrivers(request: { readonly node?: string }, context: CallContext): Promise<readonly DriverView[]> {
    return this.#unary('read', this.#protocol.drivers.listDrivers, request, context);
  }

  /**
   * Creates many volumes over one stream, faster than one call each. Every request gets one result, in the order in which they are
   * done; `index` says whose it is. The requests are taken at the pace of the server.
   *
   * @throws AppError as other calls when the stream itself breaks: what had no result until then has an unknown outcome, and can be
   * sent again
   */
  async *createVolumes(
    requests: Iterable<CreateVolumeRequest> | AsyncIterable<CreateVolumeRequest>,
    context: CallContext,
  ): AsyncGenerator<BatchResult> {
    const method = this.#protocol.volumes.createVolumes;
    const bounded = this.#bounded(context);
    const deadlineMs = this.#clock.wallMs() + bounded.timeoutMs;
    // Only the connection can fail over: the requests are read once.
    const endpoint = await this.#failover.connect(bounded, (address, deadlineMs) => checkServing(address, deadlineMs, bounded));
    const messages = batches(requests, (batch) => method.encodeRequest(batch));
    const call = { path: method.path, deadlineMs, context: bounded };
    try {
      for await (const bytes of endpoint.bidiStream(call, messages)) yield* decodeAnswer(method, bytes, endpoint.address);
    } catch (error) {
      throw error instanceof EndpointFailure ? error.failure.error : error;
    }
  }

  /** Whether a server says that it serves: the first that answers. @throws AppError as other calls */
  async checkHealth(context: CallContext): Promise<{ readonly address: string; readonly serving: boolean }> {
    const bounded = this.#bounded(context);
    return await this.#failover.call('read', bounded, async (endpoint, deadlineMs) => ({
      address: endpoint.address,
      serving: await checkServing(endpoint, deadlineMs, bounded),
    }));
  }

  close(): Promise<void> {
    for (const endpoint of this.#endpoints) endpoint.close();
    return Promise.resolve();
  }

  async #unary<Request, Response, Received, Sent>(
    repetition: Repetition,
    method: Method<Request, Response, Received, Sent>,
    request: Request,
    context: CallContext,
  ): Promise<Response> {
    const bytes = method.encodeRequest(request);
    const bounded = this.#bounded(context);
    return await this.#failover.call(repetition, bounded, async (endpoint, deadlineMs) => {
      const answer = await endpoint.unary({ path: method.path, request: bytes, deadlineMs, context: bounded });
      return decodeAnswer(method, answer, endpoint.address);
    });
  }

  /** Fails over until the first answer; after that a break ends the watch, because the caller has to begin anew anyway. */
  async *#watch<Request, Event, Received, Sent>(
    method: Method<Request, Event, Received, Sent>,
    request: Request,
    context: CallContext,
  ): AsyncGenerator<Event> {
    const bytes = method.encodeRequest(request);
    const { answers, first, address } = await this.#failover.call('read', context, async (endpoint) => {
      const stream = endpoint.serverStream({ path: method.path, request: bytes, context });
      return { answers: stream, first: await stream.next(), address: endpoint.address };
    });
    try {
      if (first.done === true) return;
      yield decodeAnswer(method, first.value, address);
      for await (const answer of answers) yield decodeAnswer(method, answer, address);
    } catch (error) {
      if (!(error instanceof EndpointFailure)) throw error;
      if (error.failure.outcome === 'answered') throw error.failure.error;
      throw new AppError('UNREACHABLE', `the watch at ${address} broke; watch again`, { address }, error.failure.error);
    } finally {
      await answers.return(undefined);
    }
  }

  #bounded(context: CallContext): CallContext {
    if (context.timeoutMs <= this.#timeoutMsMax) return context;
    return { signal: context.signal, timeoutMs: this.#timeoutMsMax };
  }
}

/** What a server cuts a deadline to; more would not help. */
const TIMEOUT_MS_MAX = RPC_LIMITS.callTimeoutMsMax;

/** Requests in one message of a batch: enough to make a message cheap, few enough to begin at once. */
const BATCH_MESSAGE_REQUESTS = 64;

async function* batches(
  requests: Iterable<CreateVolumeRequest> | AsyncIterable<CreateVolumeRequest>,
  encode: (batch: readonly CreateVolumeRequest[]) => Buffer,
): AsyncGenerator<Buffer> {
  let batch: CreateVolumeRequest[] = [];
  for await (const request of requests) {
    batch.push(request);
    if (batch.length < BATCH_MESSAGE_REQUESTS) continue;
    yield encode(batch);
    batch = [];
  }
  if (batch.length > 0) yield encode(batch);
}

/** @throws EndpointFailure, the signal's AppError */
/** One that managers and agents have: a server as a whole may be anybody's, and serve. */
const HEALTH_SERVICE = 'volplane.v1.Volumes';

async function checkServing(endpoint: Endpoint, deadlineMs: number, context: CallContext): Promise<boolean> {
  const check = healthService['Check'];
  assert(check !== undefined, 'health has a Check');
  const answer = await endpoint.unary({
    path: check.path,
    request: check.requestSerialize({ service: HEALTH_SERVICE }),
    deadlineMs,
    context,
  });
  // The package's own codec; it says SERVING, NOT_SERVING, UNKNOWN or SERVICE_UNKNOWN.
  const { status } = check.responseDeserialize(answer) as { readonly status: string };
  return status === 'SERVING';
}

/** @throws AppError INTERNAL: the call was answered, by a server of another kind or version */
function decodeAnswer<Request, Response, Received, Sent>(
  method: Method<Request, Response, Received, Sent>,
  bytes: Buffer,
  address: string,
): Response {
  try {
    return method.decodeResponse(bytes);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const text = `${address} answered ${method.path}, but this version cannot read the answer: ${error.message}`;
    throw new AppError('INTERNAL', text, { address }, error);
  }
}

function credentials(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure();
  return ChannelCredentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}
