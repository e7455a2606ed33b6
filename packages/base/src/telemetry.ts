/**
 * Where the time of a call goes. `queue`: a change waits for its group commit. `decide`: the decision itself. `commit`: one etcd
 * transaction, from sending to its answer. `bus`: a request to another process and its answer, with everything that is done there.
 * `driver`: one call of a volume driver. `journal`: one durable write of the agent. `reply`: an answer is encoded and handed over.
 */
export const PHASES = ['queue', 'decide', 'commit', 'bus', 'driver', 'journal', 'reply'] as const;

export type Phase = (typeof PHASES)[number];

/** Told what happened, to be counted. Every method is cheap, never throws, and is called on the hot paths. */
export interface Telemetry {
  /** @param ms - how long it took, by the monotonic clock */
  phase(phase: Phase, ms: number): void;
  /** A group commit was sent with this many transactions. */
  batch(transactions: number): void;
  /** A call ended after `ms`. `kind`: its class at the door; `result`: `ok`, or the reason it was refused with. */
  call(kind: string, result: string, ms: number): void;
  /** Work was refused because too much was running already; `where` names the bound. */
  shed(where: string): void;
}

export const noTelemetry: Telemetry = {
  phase: () => undefined,
  batch: () => undefined,
  call: () => undefined,
  shed: () => undefined,
};
