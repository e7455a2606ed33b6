import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions as HttpsRequestOptions } from 'node:https';
import { AppError, backoffMs, errorText, sleep, withTimeout, type Clock, type Random } from '@volplane/base';
import { parseScope, PLUGIN_ANSWERS, type PluginAnswers, type PluginMethod } from './plugin-answers.js';

/** Where a plugin listens. TLS texts are PEM. */
export type PluginAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: PluginTls };

export interface PluginTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** As a discovery file without a CA file says; the certificate is not checked then. */
  readonly insecure?: boolean;
}

export interface PluginClientOptions {
  readonly name: string;
  readonly address: PluginAddress;
  readonly clock: Clock;
  readonly random: Random;
  /** Default {@link CALL_TIMEOUT_MS}; a plugin that formats disks may need longer. */
  readonly timeoutsMs?: Partial<Readonly<Record<PluginMethod, number>>>;
}

/**
 * Calls one volume plugin. Whatever the plugin does, a call ends: with the checked answer, or with an AppError that says
 * how much is known.
 *
 * - DRIVER_FAILED: the plugin itself said no; its text is the message.
 * - DRIVER_UNAVAILABLE: the call never reached it, and nothing happened.
 * - UNKNOWN_OUTCOME: the call was sent, and no answer came that can be read.
 * - OVERLOADED: too many calls wait for this plugin; not sent.
 *
 * A call that was not sent is repeated a few times, any other only when it reads; each repeat carries the whole body (moby#39331).
 */
export class PluginClient {
  readonly #options: PluginClientOptions;
  #inFlight = 0;

  constructor(options: PluginClientOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get addressText(): string {
    const { address } = this.#options;
    return address.kind === 'unix'
      ? address.path
      : `${address.tls === undefined ? 'tcp' : 'https'}://${address.host}:${String(address.port)}`;
  }

  /** @throws AppError, see the class; FOREIGN_DATA when the other end is a Volplane agent */
  async activate(signal?: AbortSignal): Promise<void> {
    const answer = await this.call('Plugin.Activate', undefined, signal);
    if (answer.volplane !== undefined)
      throw new AppError('FOREIGN_DATA', `plugin ${this.name} at ${this.addressText} is a Volplane agent; an agent does not host itself`);
    if (!answer.implements.includes('VolumeDriver'))
      throw new AppError(
        'DRIVER_FAILED',
        `plugin ${this.name} at ${this.addressText} is no volume plugin: it implements ${answer.implements.join(', ') || 'nothing'}`,
      );
  }

  /** As engines read it: in lower case, `local` for anything else and for plugins without the call. @throws AppError when the plugin cannot be reached */
  async scope(signal?: AbortSignal): Promise<'local' | 'global'> {
    try {
      return parseScope((await this.call('VolumeDriver.Capabilities', {}, signal)).capabilities?.scope);
    } catch (error) {
      if (error instanceof AppError && error.reason === 'DRIVER_FAILED') return 'local';
      throw error;
    }
  }

  async call<M extends PluginMethod>(method: M, body: object | undefined, signal?: AbortSignal): Promise<PluginAnswers[M]> {
    const { clock, random } = this.#options;
    const text = body === undefined ? '' : JSON.stringify(body);
    for (let attempt = 1; ; attempt += 1) {
      try {
        // A repeat comes after the failure that it answers.
        return parseAnswer(method, await this.#send(method, text, signal), this.name);
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !mayRepeat(method, error)) throw error;
        await sleep(clock, backoffMs(random, attempt, BACKOFF), signal);
      }
    }
  }

  async #send(method: PluginMethod, text: string, signal: AbortSignal | undefined): Promise<RawAnswer> {
    if (this.#inFlight >= CALLS_MAX) {
      throw new AppError('OVERLOADED', `${String(this.#inFlight)} calls already wait for plugin ${this.name}`, {
        plugin: this.name,
        retryDelayMs: '1000',
      });
    }
    const timeoutMs = this.#options.timeoutsMs?.[method] ?? CALL_TIMEOUT_MS[method];
    const stop = new AbortController();
    this.#inFlight += 1;
    try {
      const onTimeout = (): Error =>
        new AppError('UNKNOWN_OUTCOME', `plugin ${this.name} did not answer ${method} within ${String(timeoutMs / 1000)} s`, {
          plugin: this.name,
        });
      const exchange = exchangeWith(this.#requestOptions(method), text, stop.signal, this.name, method);
      return await withTimeout(this.#options.clock, exchange, { timeoutMs, onTimeout, signal });
    } finally {
      stop.abort();
      this.#inFlight -= 1;
    }
  }

  #requestOptions(method: PluginMethod): PluginRequestOptions {
    const { address } = this.#options;
    // A connection for each call: an idle one that the plugin closes would make calls fail that were never read.
    const common = {
      method: 'POST',
      path: `/${method}`,
      agent: false,
    };
    if (address.kind === 'unix') return { ...common, socketPath: address.path, secure: false };
    const { host, port, tls } = address;
    if (tls === undefined) return { ...common, host, port, secure: false };
    const { insecure = false, ...files } = tls;
    return { ...common, host, port, ...files, rejectUnauthorized: !insecure, secure: true };
  }
}

/** The engine's own limits; a plugin that works with it works here. */
export const CALL_TIMEOUT_MS: Readonly<Record<PluginMethod, number>> = {
  'Plugin.Activate': 10_000,
  'VolumeDriver.Capabilities': 10_000,
  'VolumeDriver.Create': 120_000,
  'VolumeDriver.Mount': 120_000,
  'VolumeDriver.Remove': 60_000,
  'VolumeDriver.Unmount': 60_000,
  'VolumeDriver.Path': 60_000,
  'VolumeDriver.Get': 60_000,
  'VolumeDriver.List': 60_000,
};

/** Calls in flight to one plugin; a plugin that hangs holds at most so many. */
const CALLS_MAX = 64;

/** The list of tens of thousands of volumes; anything larger is a fault. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

const ATTEMPTS_MAX = 3;
const BACKOFF = { firstMs: 100, maxMs: 1_000 };

const PLUGIN_HEADERS = { Accept: 'application/vnd.docker.plugins.v1.2+json', Host: 'plugin' };

/** A plugin's own text may be a whole log. */
const PLUGIN_TEXT_MAX = 500;

const SAFE: ReadonlySet<PluginMethod> = new Set([
  'Plugin.Activate',
  'VolumeDriver.Capabilities',
  'VolumeDriver.Path',
  'VolumeDriver.Get',
  'VolumeDriver.List',
]);

type PluginRequestOptions = HttpsRequestOptions & { readonly secure: boolean };

interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

function mayRepeat(method: PluginMethod, error: unknown): boolean {
  if (!(error instanceof AppError)) return false;
  return (
    error.reason === 'DRIVER_UNAVAILABLE' ||
    (error.reason === 'UNKNOWN_OUTCOME' && error.failure.fields['broken'] !== undefined && SAFE.has(method))
  );
}

function exchangeWith(
  options: PluginRequestOptions,
  text: string,
  signal: AbortSignal,
  plugin: string,
  method: string,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { secure, ...rest } = options;
    const outgoing = (secure ? httpsRequest : httpRequest)({
      ...rest,
      headers: { ...PLUGIN_HEADERS, 'Content-Length': Buffer.byteLength(text) },
      signal,
    });
    let connected = false;
    outgoing.once('socket', (socket) => {
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        connected = true;
      });
    });
    outgoing.once('error', (error) => {
      reject(
        connected
          ? new AppError('UNKNOWN_OUTCOME', `the connection to plugin ${plugin} broke during ${method}`, { plugin, broken: 'true' }, error)
          : new AppError('DRIVER_UNAVAILABLE', `plugin ${plugin} cannot be reached`, { plugin }, error),
      );
    });
    outgoing.once('response', (response) => {
      readAnswer(response).then(resolve, (error: unknown) => {
        outgoing.destroy();
        reject(
          new AppError('UNKNOWN_OUTCOME', `the answer of plugin ${plugin} to ${method} cannot be read: ${errorText(error)}`, { plugin }),
        );
      });
    });
    outgoing.end(text);
  });
}

async function readAnswer(response: IncomingMessage): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`it is larger than ${String(ANSWER_BYTES_MAX)} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

function parseAnswer<M extends PluginMethod>(method: M, { status, text }: RawAnswer, plugin: string): PluginAnswers[M] {
  const value = parseObject(text);
  const said = typeof value?.['err'] === 'string' ? value['err'] : '';
  if (said !== '' || status !== 200) {
    const shown = (said || text || `HTTP status ${String(status)}`).slice(0, PLUGIN_TEXT_MAX);
    throw new AppError('DRIVER_FAILED', `plugin ${plugin} refused ${method}: ${shown}`, { plugin });
  }
  // An empty body is how plain plugins say that it is done.
  const parsed = PLUGIN_ANSWERS[method].safeParse(value ?? (text.trim() === '' ? {} : undefined));
  if (parsed.success) return parsed.data as PluginAnswers[M]; // the table's entry for the method
  throw new AppError(
    'UNKNOWN_OUTCOME',
    `plugin ${plugin} answered ${method} with what is no answer: ${JSON.stringify(text.slice(0, 80))}`,
    { plugin },
  );
}

/** The object in `text`, its keys as engines match them; undefined when there is none. */
function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? lowerCaseKeys(value, ANSWER_DEPTH) : undefined;
  } catch {
    // Said by the caller, who knows the method.
    return undefined;
  }
}

/** The answer itself, and the volumes or capabilities in it. What is deeper, a volume's status, is the plugin's own. */
const ANSWER_DEPTH = 2;

function lowerCaseKeys(value: object, depth: number): Record<string, unknown> {
  const lower = (member: unknown): unknown => {
    if (depth === 1) return member;
    if (Array.isArray(member)) return member.map((item: unknown) => (isObject(item) ? lowerCaseKeys(item, depth - 1) : item));
    return isObject(member) ? lowerCaseKeys(member, depth - 1) : member;
  };
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toLowerCase(), lower(member)]));
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
