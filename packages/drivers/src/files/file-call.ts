/** One call on files, as data, so that many travel to another thread in one message. Paths are absolute. */
export type FileCall =
  /** EEXIST when anything stands there, also a link. */
  | { readonly do: 'check-absent'; readonly path: string }
  /** ENOENT when nothing stands there, ENOTDIR for anything but a folder, also a link. */
  | { readonly do: 'check-folder'; readonly path: string }
  /** EMARKER unless `folder` is a folder and the file in it the whole marker of this volume; ENOENT, ELOOP as the kernel says. */
  | { readonly do: 'check-marker'; readonly path: string; readonly folder: string; readonly name: string; readonly uid: string }
  | { readonly do: 'make-folder'; readonly path: string; readonly mode: number; readonly recursive?: boolean }
  /** Whatever the umask is. */
  | { readonly do: 'set-mode'; readonly path: string; readonly mode: number }
  /** A file that is new, or EEXIST. */
  | { readonly do: 'write-file'; readonly path: string; readonly text: string; readonly mode: number }
  /**
   * Opens the folder until the convoy ends, and `sync-folder` syncs what was opened. The kernel tells a failed write to each descriptor that was
   * open by then, and to a later one only if nobody was told before: so hold a folder before you change it where others sync it too.
   */
  | { readonly do: 'hold-folder'; readonly path: string }
  /** Once in a round of a convoy for each path. */
  | { readonly do: 'sync-file' | 'sync-folder'; readonly path: string }
  | { readonly do: 'move'; readonly path: string; readonly to: string }
  | { readonly do: 'remove-file' | 'remove-folder'; readonly path: string }
  /** Only for what no user has written into. Gone: fine. */
  | { readonly do: 'remove-tree'; readonly path: string }
  /** Answers the text; EFBIG beyond the bound, ELOOP for a link. */
  | { readonly do: 'read-file'; readonly path: string; readonly bytesMax: number }
  /** Answers the entries that begin so, one a line; none when there is no such folder. */
  | { readonly do: 'find-names'; readonly path: string; readonly prefix: string };

/** Calls in rounds. The first that fails ends the script; what it had done before stays done. */
export type FileScript = readonly (readonly FileCall[])[];

/** A failed call, with what Node's own error had. */
export interface FileFault {
  /** The round of the script in which it failed. */
  readonly round: number;
  readonly code: string;
  readonly message: string;
  readonly syscall: string;
  readonly path: string;
}

export interface FileOutcome {
  /** What the calls before the fault have answered, in their order. */
  readonly values: readonly string[];
  readonly fault?: FileFault;
}

/** Carries out scripts, those that wait together as one convoy. */
export interface FileRunner {
  /**
   * @param values - fill the blanks of the script of a plan, see file-plan.ts; absent: it has none
   * @throws AppError OVERLOADED (not begun), DRIVER_UNAVAILABLE when it cannot be told what was done
   */
  run(script: FileScript, values?: Readonly<Record<string, string>>): Promise<FileOutcome>;
}
