import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { FileIdentity } from '@volplane/host';

/** A file, and which file it is: the watcher leaves alone what took its place. */
export interface WatchedFile {
  readonly path: string;
  readonly identity: FileIdentity;
}

/**
 * A small child process that removes files when this process ends without doing so itself, also by `kill -9`.
 *
 * An engine waits 15 s at every volume create while a dead plugin socket lies in its plugin folder. The child reads from a
 * pipe whose other end only this process has; the kernel closes it however this process ends. It is a plain shell
 * (1 MB, no run time to start), in a session of its own, and ignores the signals that end a service.
 */
export class SocketWatcher {
  readonly #child: ChildProcessByStdio<Writable, null, null>;
  #running = true;

  private constructor(files: readonly WatchedFile[]) {
    const pairs = files.flatMap(({ path, identity }) => [path, identity]);
    this.#child = spawn('/bin/sh', ['-c', SCRIPT, 'volplane-socket-watcher', ...pairs], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    });
    this.#child.unref();
    this.#child.once('exit', () => {
      this.#running = false;
    });
    // A write to a child that is gone; `running` tells.
    this.#child.stdin.on('error', () => undefined);
  }

  /** @throws Node's own error when the child cannot be started */
  static async start(files: readonly WatchedFile[]): Promise<SocketWatcher> {
    const watcher = new SocketWatcher(files);
    await once(watcher.#child, 'spawn');
    return watcher;
  }

  get running(): boolean {
    return this.#running;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends the child without removing anything. */
  async dismiss(): Promise<void> {
    if (!this.#running) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin.end(`${DISMISS}\n`);
    await exited;
  }
}

const DISMISS = 'dismissed';

// Only what POSIX and every coreutils or busybox has. `read` is a builtin: one process in all.
const SCRIPT = `
trap '' HUP INT TERM
while read -r word; do
  [ "$word" = ${DISMISS} ] && exit 0
done
while [ $# -ge 2 ]; do
  [ "$(stat -c %d:%i:%Z -- "$1" 2>/dev/null)" = "$2" ] && rm -f -- "$1"
  shift 2
done
`;
