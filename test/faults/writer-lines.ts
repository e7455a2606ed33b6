/** What every record says of its writer. */
export interface RecordHead {
  readonly writer: string;
  readonly node: string;
  readonly epoch: number;
}

export interface WriteRecord extends RecordHead {
  readonly number: number;
}

/** A line to a node's writers. */
export type WriterOrder = StartOrder | { readonly order: 'stop'; readonly writer: string };

export interface StartOrder {
  readonly order: 'start';
  readonly head: RecordHead;
  readonly place: Place;
}

/** Where the volume is on this node, with `isMount` a file system of its own; or at a storage that checks epochs. */
export type Place = { readonly folder: string; readonly isMount: boolean } | { readonly url: string };

/** A line from them: one write acknowledged by the kernel, or the end and why. */
export type WriterLine =
  | { readonly writer: string; readonly acked: number; readonly startMs: number; readonly endMs: number }
  | { readonly writer: string; readonly ended: string };

/** One line of this length, filled up with spaces: a sector's part, so a record is whole or not there. */
export const RECORD_BYTES = 128;

/** In the data folder of every volume. */
export const RECORDS_FILE = 'records';
