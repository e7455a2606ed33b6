import { AppError } from '@volplane/base';
import type { Scope } from '@volplane/domain';
import { z } from 'zod';
import type { PluginProtocol } from './plugin-protocol.js';

/**
 * The words of the volume plugin protocol: method names, request bodies, answers and error texts.
 *
 * Keys are matched without regard to case and unknown keys are ignored, as the engine's own decoder does.
 */
export const METHODS = {
  '/Plugin.Activate': 'activate',
  '/VolumeDriver.Create': 'create',
  '/VolumeDriver.Remove': 'remove',
  '/VolumeDriver.Mount': 'mount',
  '/VolumeDriver.Unmount': 'unmount',
  '/VolumeDriver.Path': 'path',
  '/VolumeDriver.Get': 'get',
  '/VolumeDriver.List': 'list',
  '/VolumeDriver.Capabilities': 'capabilities',
} as const;

export type Method = (typeof METHODS)[keyof typeof METHODS];

export function findMethod(path: string): Method | undefined {
  return Object.hasOwn(METHODS, path) ? METHODS[path as keyof typeof METHODS] : undefined;
}

/**
 * How long a call may take, in milliseconds. Each stays below the engine's own limit (Create and Mount 120 s, all
 * others 60 s), so that the engine gets a text that says what hangs instead of a bare time-out. What only reads answers from
 * memory or not at all; the engine holds the lock of a name during Get, and its list of volumes waits for that.
 */
export const METHOD_TIMEOUT_MS: Readonly<Record<Method, number>> = {
  activate: 10_000,
  create: 110_000,
  remove: 50_000,
  mount: 110_000,
  unmount: 50_000,
  path: 10_000,
  get: 10_000,
  list: 20_000,
  capabilities: 10_000,
};

/** The engine sends no bodies larger than a few kilobytes; options of the documented bounds fit in many times over. */
export const BODY_BYTES_MAX = 1024 * 1024;

/** The volume plugin protocol for an endpoint. */
export const VOLUME_PROTOCOL: PluginProtocol<Method, PluginRequest> = {
  findMethod,
  timeoutsMs: METHOD_TIMEOUT_MS,
  bodyBytesMax: BODY_BYTES_MAX,
  parseRequest,
};

export interface PluginRequest {
  /** Empty for calls without a volume. */
  readonly name: string;
  /** The engine's id of one use; empty except for Mount and Unmount. */
  readonly id: string;
  readonly options: Readonly<Record<string, string>>;
}

/**
 * The request in a body.
 *
 * An empty body is refused where the call needs a name: engines repeat a call whose connection broke without its body
 * (moby#35459, moby#39331), and a default would act on something that nobody named.
 *
 * @throws AppError INVALID_ARGUMENT
 */
export function parseRequest(method: Method, body: string): PluginRequest {
  const needsName = !WITHOUT_NAME.has(method);
  if (body.trim() === '') {
    if (!needsName) return NO_REQUEST;
    throw new AppError(
      'INVALID_ARGUMENT',
      'the request has an empty body, as engines send when they repeat a call (moby#39331); nothing was done: repeat the command',
    );
  }
  const parsed = requestSchema.safeParse(lowerCaseKeys(parseJson(body)));
  if (!parsed.success)
    throw new AppError('INVALID_ARGUMENT', `the request is not of the protocol's form: ${z.prettifyError(parsed.error)}`);
  const { name = '', id = '', opts } = parsed.data;
  if (needsName && name === '') throw new AppError('INVALID_ARGUMENT', 'the request names no volume');
  if (WITH_ID.has(method) && id === '')
    throw new AppError('INVALID_ARGUMENT', `the request for volume ${JSON.stringify(name)} carries no mount id`);
  return { name, id, options: opts ?? {} };
}

export interface PluginVolume {
  readonly Name: string;
  readonly Mountpoint?: string;
  readonly CreatedAt?: string;
  readonly Status?: Readonly<Record<string, unknown>>;
}

/** What each method answers beside `Err`. */
export interface PluginAnswer {
  readonly Implements?: readonly string[];
  /** Ours alone: tells a Volplane agent that looks for plugins to host that this one is an agent. */
  readonly Volplane?: true;
  readonly Mountpoint?: string;
  readonly Volume?: PluginVolume;
  readonly Volumes?: readonly PluginVolume[];
  readonly Capabilities?: { readonly Scope: Scope };
}

const WITHOUT_NAME: ReadonlySet<Method> = new Set(['activate', 'list', 'capabilities']);
const WITH_ID: ReadonlySet<Method> = new Set(['mount', 'unmount']);

const NO_REQUEST: PluginRequest = { name: '', id: '', options: {} };

// `null` is what Go writes for an empty map.
const requestSchema = z.object({
  name: z.string().max(4096).optional(),
  id: z.string().max(4096).optional(),
  opts: z.record(z.string(), z.string()).nullish(),
});

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch (error) {
    throw new AppError('INVALID_ARGUMENT', 'the request is not JSON', {}, error);
  }
}

/** Keys of the top level in lower case; of two spellings the last one counts, as in Go. Options keep their case. */
function lowerCaseKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toLowerCase(), member]));
}
