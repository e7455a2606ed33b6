import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AccessMode, TakeoverPolicy } from '@volplane/domain';

/**
 * What happened in one run, one JSON object a line, in the order in which it became known. Times are milliseconds of the machine's
 * monotonic clock, which all processes of the run share.
 */
export type HistoryEvent = RunEvent | FaultEvent | CallEvent | UseEvent | TakeoverEvent | StorageEvent | LeftEvent | EndEvent;

export interface RunEvent {
  readonly type: 'run';
  readonly seed: number;
  readonly ttlMs: number;
  readonly volumes: readonly VolumePlan[];
}

/** A name under which volumes are made, used and removed again and again, always in the same way. */
export interface VolumePlan {
  readonly name: string;
  readonly driver: string;
  readonly accessMode: AccessMode;
  readonly takeover: TakeoverPolicy;
  /** One node at a time may write. */
  readonly exclusive: boolean;
}

export interface FaultEvent {
  readonly type: 'fault';
  readonly kind: string;
  readonly target: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** One attempt of a call, from the moment before it was sent to the moment after its answer. */
export interface CallEvent {
  readonly type: 'call';
  readonly call: 'create' | 'remove' | 'mount' | 'unmount';
  readonly volume: string;
  readonly fromMs: number;
  readonly untilMs: number;
  /** `unknown`: it may have happened, may happen later, or never. */
  readonly outcome: 'ok' | 'refused' | 'unknown';
  readonly reason?: string;
  /** What the refusal or the failure said. */
  readonly message?: string;
  /** The volume that it was about, where that is known: of create and mount from the answer, of remove from the request. */
  readonly uid?: string;
  readonly node?: string;
  readonly mountId?: string;
  readonly epoch?: number;
  readonly seq?: number;
}

/** One writer's life: what it wrote through one mount. */
export interface UseEvent {
  readonly type: 'use';
  readonly writer: string;
  readonly volume: string;
  readonly node: string;
  readonly epoch: number;
  /** Records 1 to this were acknowledged by the kernel as being on the storage. */
  readonly acked: number;
  /** When the first acknowledgement came, and when the write of the last acknowledged record began; absent with none. */
  readonly firstAckMs?: number;
  readonly lastStartMs?: number;
  /** `stopped`, `killed`, or the error of the last write. */
  readonly end: string;
}

export interface TakeoverEvent {
  readonly type: 'takeover';
  readonly volume: string;
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  /** From the fault that silenced the old node to the mount's answer on the new one; absent when no fault of that node was on. */
  readonly tookMs?: number;
}

/** The records of one volume as its storage holds them at the end, removed volumes included; in the order of the file. */
export interface StorageEvent {
  readonly type: 'storage';
  readonly volume: string;
  readonly uid: string;
  readonly runs: readonly RecordRun[];
  /** Lines that are no records. */
  readonly damaged: readonly string[];
}

/** Records `first` to `last` of one writer, one after the other. */
export interface RecordRun {
  readonly writer: string;
  readonly node: string;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

/** Something that should be gone when everything works again, every caller has unmounted and time has passed. */
export interface LeftEvent {
  readonly type: 'left';
  readonly what: string;
}

export interface EndEvent {
  readonly type: 'end';
  readonly tookMs: number;
  /** Mounts without a user that were found and ended by their ids, as an engine's door does. */
  readonly orphans: number;
  /** Processes that ended by themselves, and were started again. */
  readonly restarts: number;
}

export class HistoryFile {
  readonly path: string;
  readonly #file: number;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.path = path;
    this.#file = openSync(path, 'w');
  }

  add(event: HistoryEvent): void {
    appendFileSync(this.#file, `${JSON.stringify(event)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function readHistory(path: string): readonly HistoryEvent[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as HistoryEvent); // written by HistoryFile
}
