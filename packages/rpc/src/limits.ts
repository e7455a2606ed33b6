/**
 * What kind of work a call is. Each class has its own room, and a call finds room at once or is refused at once, so none ever
 * waits behind calls of another class.
 *
 * `release`: gives something back (unmount, forced release) and frees others; it has the most room. `read`: looks. `write`: creates,
 * mounts, changes. `batch`: streams of creates. `watch`: streams that last.
 */
export type CallClass = 'release' | 'read' | 'write' | 'batch' | 'watch';

export interface RpcLimits {
  /** Calls of a class that run at once in this server; one more is refused with OVERLOADED. */
  readonly callsRunningMax: Readonly<Record<CallClass, number>>;
  /** A later deadline is cut to this, so that no call can hold its place for a day. */
  readonly callTimeoutMsMax: number;
  /** Bytes of one request. grpc-js itself stops at {@link TRANSPORT_BYTES_FACTOR} times this, before the bytes are kept. */
  readonly requestBytesMax: number;
  /** Bytes of one answer; what generic clients take by default. */
  readonly answerBytesMax: number;
  /** Volumes of one batch stream that are in work at once; at the limit the stream is not read further. */
  readonly batchWindow: number;
}

export const RPC_LIMITS: RpcLimits = {
  // 512 creates at 2,000 a second are worked off in a quarter of a second: more would only wait longer.
  callsRunningMax: { release: 4_096, read: 2_048, write: 512, batch: 32, watch: 1_024 },
  callTimeoutMsMax: 600_000,
  // Two full maps of 64 entries are 0.6 MiB.
  requestBytesMax: 2 * 1024 * 1024,
  // grpc's default maximum for receiving.
  answerBytesMax: 4 * 1024 * 1024,
  // One full nested etcd transaction.
  batchWindow: 128,
};

/** A message between the two bounds is refused with a reason of ours, one above it by grpc-js alone. */
export const TRANSPORT_BYTES_FACTOR = 4;

/** What a refused caller is told to wait: about the time in which a full class is worked off. */
export const SHED_RETRY_DELAY_MS = 500;

/** The longest delay that a timer of Node takes. */
export const FOREVER_MS = 2 ** 31 - 1;
