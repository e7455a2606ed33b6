import { request } from 'node:http';
import { AppError, errorText, withTimeout, type Clock } from '@volplane/base';
import { z } from 'zod';

/** A container as far as its volumes go. */
export interface EngineContainer {
  readonly id: string;
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  readonly state: string;
  readonly volumes: readonly { readonly name: string; readonly driver: string }[];
}

/** A volume as the engine knows it. */
export interface EngineVolume {
  readonly name: string;
  readonly driver: string;
  readonly scope: string;
  readonly mountpoint: string;
  readonly createdAt?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

/** Asks a container engine over its API socket; reads only. */
export class EngineClient {
  readonly #socketPath: string;
  readonly #clock: Clock;

  constructor(options: { readonly socketPath: string; readonly clock: Clock }) {
    this.#socketPath = options.socketPath;
    this.#clock = options.clock;
  }

  /** Every container, stopped ones too. @throws AppError DRIVER_UNAVAILABLE when the engine does not answer, or not in time */
  async listContainers(signal?: AbortSignal): Promise<readonly EngineContainer[]> {
    const found = await this.#get('/containers/json?all=1', CONTAINERS, signal);
    return found.map(({ Id, State, Mounts }) => ({
      id: Id,
      state: State,
      volumes: (Mounts ?? []).filter(({ Type }) => Type === 'volume').map(({ Name = '', Driver = '' }) => ({ name: Name, driver: Driver })),
    }));
  }

  /** Every volume of every driver. Warnings are drivers that did not answer. @throws AppError DRIVER_UNAVAILABLE */
  async listVolumes(signal?: AbortSignal): Promise<{ readonly volumes: readonly EngineVolume[]; readonly warnings: readonly string[] }> {
    const { Volumes, Warnings } = await this.#get('/volumes', VOLUMES, signal);
    const volumes = (Volumes ?? []).map(({ Name, Driver, Scope, Mountpoint, CreatedAt, Labels, Options }) => ({
      name: Name,
      driver: Driver,
      scope: Scope,
      mountpoint: Mountpoint,
      labels: Labels ?? {},
      options: Options ?? {},
      ...(CreatedAt !== undefined && { createdAt: CreatedAt }),
    }));
    return { volumes, warnings: Warnings ?? [] };
  }

  async #get<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal | undefined): Promise<T> {
    const unavailable = (why: string): AppError =>
      new AppError('DRIVER_UNAVAILABLE', `the engine at ${this.#socketPath} cannot be asked: ${why}`, { engine: this.#socketPath });
    const stop = new AbortController();
    try {
      const onTimeout = (): Error => unavailable(`no answer within ${String(TIMEOUT_MS / 1000)} s`);
      const text = await withTimeout(this.#clock, ask(this.#socketPath, path, stop.signal), { timeoutMs: TIMEOUT_MS, onTimeout, signal });
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw error instanceof AppError ? error : unavailable(errorText(error).slice(0, 300));
    } finally {
      stop.abort();
    }
  }
}

/**
 * Whether the container may have its volumes mounted. `created` is a state without mounts although a start passes through it; a state that
 * we do not know counts as one with mounts.
 */
export function mayHaveMounts({ state }: EngineContainer): boolean {
  return !ENDED.has(state);
}

/** The plugin's name in the name of a driver: engines append a tag to those of managed plugins. */
export function pluginOf(driver: string): string {
  return driver.replace(/:latest$/, '');
}

const ENDED: ReadonlySet<string> = new Set(['created', 'exited', 'dead']);

/** Engines that list thousands of containers take seconds. */
const TIMEOUT_MS = 30_000;

/** Tens of thousands of containers. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** Of engines that do not say which they speak: those up to 20.10 spoke every older one. */
const OLD_API_VERSION = '1.41';

const CONTAINERS = z.array(
  z.object({
    Id: z.string(),
    State: z.string(),
    Mounts: z.array(z.object({ Type: z.string(), Name: z.string().optional(), Driver: z.string().optional() })).nullish(),
  }),
);

const stringMap = z.record(z.string(), z.string()).nullish();

const VOLUMES = z.object({
  Volumes: z
    .array(
      z.object({
        Name: z.string(),
        Driver: z.string(),
        Scope: z.string(),
        Mountpoint: z.string(),
        CreatedAt: z.string().optional(),
        Labels: stringMap,
        Options: stringMap,
      }),
    )
    .nullish(),
  Warnings: z.array(z.string()).nullish(),
});

/**
 * Asks in the version that the engine speaks. Each release of an engine refuses versions that are newer, and some that are older (29.0 those
 * below 1.44); what is read here has been the same in all of them. Asked anew each time: engines are upgraded under a running agent.
 */
async function ask(socketPath: string, path: string, signal: AbortSignal): Promise<string> {
  const { version } = await get(socketPath, '/_ping', signal);
  return (await get(socketPath, `/v${version ?? OLD_API_VERSION}${path}`, signal)).text;
}

interface EngineAnswer {
  readonly text: string;
  /** The newest version that the engine speaks, as `1.52`. */
  readonly version?: string;
}

function get(socketPath: string, path: string, signal: AbortSignal): Promise<EngineAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, headers: { Host: 'docker' }, agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) outgoing.destroy(new Error(`its answer is larger than ${String(ANSWER_BYTES_MAX)} bytes`));
        else chunks.push(chunk);
      });
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const version = response.headers['api-version'];
        const isVersion = typeof version === 'string' && /^[0-9]+\.[0-9]+$/.test(version);
        if (response.statusCode === 200) resolve({ text, ...(isVersion && { version }) });
        else reject(new Error(`status ${String(response.statusCode)}: ${text.slice(0, 200)}`));
      });
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
