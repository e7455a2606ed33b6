import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { endProcess } from './processes.js';

/**
 * A network namespace with addresses of its own, one for each engine: engines in swarm mode listen on fixed ports, and make a bridge that
 * has no place on the machine itself. It ends with its last process.
 */
export class TestNetwork {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async start(addresses: readonly string[]): Promise<TestNetwork> {
    const script = 'ip link set lo up; for each; do ip address add "$each/32" dev lo || exit 1; done; echo ready; exec cat >/dev/null';
    // The holder ends with this process too: its input is a pipe.
    const holder = spawn('unshare', ['--net', 'sh', '-c', script, 'network', ...addresses], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    return new TestNetwork(holder);
  }

  get path(): string {
    return `/proc/${String(this.#holder.pid)}/ns/net`;
  }

  async end(): Promise<void> {
    await endProcess(this.#holder, 'SIGKILL');
  }
}
