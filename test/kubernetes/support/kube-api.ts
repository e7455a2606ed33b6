import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { sleep, systemClock } from '@volplane/base';
import { waitFor } from '@volplane/testkit';

/** As much of an object as the tests read. */
export interface KubeObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
  };
  readonly spec?: KubeFields;
  readonly status?: KubeFields;
  readonly [field: string]: unknown;
}

export type KubeFields = Readonly<Record<string, unknown>>;

/** The API server as an administrator sees it: kubectl where its words or its manifests matter, plain requests to look again and again. */
export class KubeApi {
  readonly #folder: string;
  readonly #kubectl: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(folder: string, kubectl: string) {
    this.#folder = folder;
    this.#kubectl = kubectl;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @returns what it wrote. @throws Error with what it complained of */
  async kubectl(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.tryKubectl(args, input);
    if (code === 0) return stdout;
    throw new Error(`kubectl ${args.join(' ')} ended with ${String(code)}: ${stderr}${stdout}`);
  }

  async tryKubectl(args: readonly string[], input = ''): Promise<{ code: number; stdout: string; stderr: string }> {
    return await new Promise((resolve) => {
      const all = [`--kubeconfig=${join(this.#folder, 'admin.conf')}`, ...args];
      const child = execFile(this.#kubectl, all, { maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 255), stdout, stderr });
      });
      child.stdin?.end(input);
    });
  }

  async apply(...objects: readonly object[]): Promise<void> {
    await this.kubectl(['apply', '-f', '-'], objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  }

  /** The object at a path of the API; undefined = there is none. */
  async find(path: string): Promise<KubeObject | undefined> {
    const { status, text } = await this.#get(path);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`GET ${path} answered ${String(status)}: ${text}`);
    return JSON.parse(text) as KubeObject;
  }

  async list(path: string): Promise<readonly KubeObject[]> {
    const list = (await this.find(path)) as unknown as { readonly items: readonly KubeObject[] } | undefined;
    if (list === undefined) throw new Error(`there is no list at ${path}`);
    return list.items;
  }

  /** Waits until the object is as wanted. */
  async until(path: string, what: string, wanted: (object: KubeObject) => boolean, timeoutMs = PATIENCE_MS): Promise<KubeObject> {
    let last: KubeObject | undefined;
    try {
      return await waitFor(
        async () => {
          await sleep(systemClock, LOOK_MS);
          last = await this.find(path);
          return last !== undefined && wanted(last) ? last : undefined;
        },
        { what, timeoutMs },
      );
    } catch (error) {
      throw new Error(`${path} never got there; status ${JSON.stringify(last?.status)}; events:\n${await this.events()}`, { cause: error });
    }
  }

  async untilGone(path: string, timeoutMs = PATIENCE_MS): Promise<void> {
    await waitFor(
      async () => {
        await sleep(systemClock, LOOK_MS);
        return (await this.find(path)) === undefined;
      },
      { what: `${path} is gone`, timeoutMs },
    );
  }

  /** What `kubectl describe` shows users below an object: the messages of its events, each once. */
  async eventsOf(name: string): Promise<readonly string[]> {
    const all = await this.list('/api/v1/events');
    const concerned = all.filter((event) => (event['involvedObject'] as { readonly name: string }).name === name);
    return [...new Set(concerned.map((event) => `${String(event['reason'])}: ${String(event['message'])}`))];
  }

  /** Waits for an event of the object whose words match. @returns it */
  async untilEvent(name: string, pattern: RegExp, timeoutMs = PATIENCE_MS): Promise<string> {
    let last: readonly string[] = [];
    try {
      return await waitFor(
        async () => {
          await sleep(systemClock, LOOK_MS);
          last = await this.eventsOf(name);
          return last.find((text) => pattern.test(text));
        },
        { what: `an event of ${name} says ${String(pattern)}`, timeoutMs },
      );
    } catch (error) {
      throw new Error(`no event of ${name} says ${String(pattern)}, but:\n${last.join('\n')}`, { cause: error });
    }
  }

  /** Every event of the cluster, for messages of failures. */
  async events(): Promise<string> {
    const all = await this.list('/api/v1/events');
    return all
      .map((event) => {
        const { kind, name } = event['involvedObject'] as { readonly kind: string; readonly name: string };
        return `${kind} ${name}: ${String(event['reason'])}: ${String(event['message'])}`;
      })
      .slice(-EVENTS_SHOWN_MAX)
      .join('\n');
  }

  async #get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const ca = await readFile(join(this.#folder, 'apiserver', 'apiserver.crt'));
    return await new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: API_PORT,
        path,
        ca,
        agent: this.#agent,
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      };
      const call = request({ ...options, servername: 'kubernetes', timeout: CALL_MS }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('error', reject).once('end', () => {
          resolve({ status: response.statusCode ?? 0, text });
        });
      });
      call.once('timeout', () => call.destroy(new Error(`GET ${path} was not answered in ${String(CALL_MS)} ms`)));
      call.once('error', reject).end();
    });
  }
}

export const API_PORT = 6443;
export const ADMIN_TOKEN = 'administrator';

const OUTPUT_BYTES_MAX = 16 * 2 ** 20;
/** Images are made and pods started on a busy machine of two cores. */
const PATIENCE_MS = 120_000;
const LOOK_MS = 250;
const CALL_MS = 10_000;
const EVENTS_SHOWN_MAX = 60;
