import { AppError } from '@volplane/base';
import { z } from 'zod';
import type { PluginCall, PluginProtocol } from '../plugin-protocol.js';

/** What an engine asks the guard: may this API request go on? */
export interface GuardRequest extends PluginCall {
  readonly wishes: readonly VolumeWish[];
}

/** A volume with options, as a caller of the engine's API asks for it. */
export interface VolumeWish {
  readonly volume: string;
  /** The name of the plugin. */
  readonly plugin: string;
  readonly options: Readonly<Record<string, string>>;
}

export type GuardMethod = 'activate' | 'request' | 'response';

/** The authorization plugin protocol, as far as volumes need it. */
export const GUARD_PROTOCOL: PluginProtocol<GuardMethod, GuardRequest> = {
  findMethod: (path) => GUARD_METHODS.get(path),
  // Every request to the engine waits for the guard.
  timeoutsMs: { activate: 10_000, request: 5_000, response: 5_000 },
  // The engine passes on bodies of at most 1 MiB, in base 64, beside the headers.
  bodyBytesMax: 4 * 1024 * 1024,
  // The engine's answers go by whatever they say.
  ignoresBody: new Set(['activate', 'response']),
  parseRequest: (method, body) => ({ name: '', wishes: method === 'request' ? findWishes(body) : [] }),
};

/**
 * The volumes that a request to the engine would create, or use with options: `volume create`, `container create`, `service create` and
 * `service update`. Anything else, and what does not parse, has none: the engine itself refuses it.
 *
 * @throws AppError INVALID_ARGUMENT when the engine's own envelope is none
 */
export function findWishes(envelopeText: string): readonly VolumeWish[] {
  const envelope = envelopeSchema.safeParse(parseJson(envelopeText));
  if (!envelope.success) throw new AppError('INVALID_ARGUMENT', "the request is not of the authorization protocol's form");
  const { RequestMethod, RequestUri, RequestBody = '' } = envelope.data;
  if (RequestMethod !== 'POST' || RequestBody === '') return [];
  const [path = ''] = RequestUri.split('?', 1);
  const body = parseJson(Buffer.from(RequestBody, 'base64').toString('utf8'));
  const wishes = VOLUME_PATH.test(path) ? wishesOf(volumeSchema, body) : MOUNTS_PATH.test(path) ? wishesOf(mountsSchema, body) : [];
  return wishes.filter(({ volume, options }) => volume !== '' && Object.keys(options).length > 0);
}

const GUARD_METHODS: ReadonlyMap<string, GuardMethod> = new Map([
  ['/Plugin.Activate', 'activate'],
  ['/AuthZPlugin.AuthZReq', 'request'],
  ['/AuthZPlugin.AuthZRes', 'response'],
]);

const VOLUME_PATH = /^(?:\/v[0-9.]+)?\/volumes\/create$/;
const MOUNTS_PATH = /^(?:\/v[0-9.]+)?\/(?:containers\/create|services\/create|services\/[^/]+\/update)$/;

const envelopeSchema = z.object({
  RequestMethod: z.string().default(''),
  RequestUri: z.string().default(''),
  RequestBody: z.string().optional(),
});

const options = z.record(z.string(), z.string()).nullish();

const volumeSchema = z
  .object({ Name: z.string().nullish(), Driver: z.string().nullish(), DriverOpts: options })
  .transform(({ Name, Driver, DriverOpts }) => [{ volume: Name ?? '', plugin: Driver ?? '', options: DriverOpts ?? {} }]);

const mounts = z
  .array(
    z.object({
      Source: z.string().nullish(),
      VolumeOptions: z.object({ DriverConfig: z.object({ Name: z.string().nullish(), Options: options }).nullish() }).nullish(),
    }),
  )
  .nullish();

const mountsSchema = z
  .object({
    HostConfig: z.object({ Mounts: mounts }).nullish(),
    TaskTemplate: z.object({ ContainerSpec: z.object({ Mounts: mounts }).nullish() }).nullish(),
  })
  .transform(({ HostConfig, TaskTemplate }) =>
    [...(HostConfig?.Mounts ?? []), ...(TaskTemplate?.ContainerSpec?.Mounts ?? [])].map(({ Source, VolumeOptions }) => ({
      volume: Source ?? '',
      plugin: VolumeOptions?.DriverConfig?.Name ?? '',
      options: VolumeOptions?.DriverConfig?.Options ?? {},
    })),
  );

function wishesOf(schema: z.ZodType<readonly VolumeWish[]>, body: unknown): readonly VolumeWish[] {
  const parsed = schema.safeParse(body);
  return parsed.success ? parsed.data : [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Whoever needs it to be JSON says so.
    return undefined;
  }
}
