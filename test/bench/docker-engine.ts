import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { isRoot, waitFor } from '@volplane/testkit';
import { callEngine } from '../docker/support/engine-call.js';

/** A Docker Engine for its local driver alone: no networks, no containers. */
export class DockerEngine {
  readonly socket: string;
  readonly #child: ChildProcess;

  private constructor(socket: string, child: ChildProcess) {
    this.socket = socket;
    this.#child = child;
  }

  /** @returns undefined where there is no engine or no right to start one */
  static async startIfHere(folder: string): Promise<DockerEngine | undefined> {
    if (!isRoot() || !isOnPath('dockerd') || !isOnPath('containerd')) return undefined;
    await mkdir(folder);
    const at = (name: string): string => join(folder, name);
    const socket = at('docker.sock');
    const log = openSync(at('dockerd.log'), 'a');
    const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('docker.pid'), '--host', `unix://${socket}`];
    const child = spawn('dockerd', [...places, '--iptables=false', '--ip6tables=false', '--bridge=none'], { stdio: ['ignore', log, log] });
    closeSync(log);
    const answers = async (): Promise<boolean> => (await callEngine(socket, 'GET', '/_ping').catch(() => ({ status: 0 }))).status === 200;
    await waitFor(async () => child.exitCode !== null || (await answers()), { what: 'the engine answers', timeoutMs: 60_000 });
    return child.exitCode === null ? new DockerEngine(socket, child) : undefined;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}

function isOnPath(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
