import { isIPv4, isIPv6 } from 'node:net';
import type { MountMode, StringMap } from '@volplane/domain';
import { invalidOption } from '../invalid-option.js';
import { parseSizeBytes } from '../size-option.js';

/** What mount(8) is to be told for a volume with the options type, o and device; addresses are not resolved yet. */
export interface LocalMountPlan {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
  /** `ro` when the options say so, whatever is asked for. */
  readonly mode: MountMode;
  /** The host that stands in `addr=`, or in the device of a cifs share, to be resolved at each mount. */
  readonly host?: string;
  /** User name and password of a cifs share: they travel in a file, not on a command line. */
  readonly credentials?: StringMap;
  /** Texts to mask wherever options are shown. */
  readonly secrets: readonly string[];
}

/** Option names with a line of help each; moby's local driver takes the same. */
export const LOCAL_OPTIONS: StringMap = {
  type: 'File system type for mount(8), such as nfs, cifs, tmpfs or none; needs device.',
  device: 'What to mount: //server/share, :/export, a device, or a folder for a bind mount; needs type.',
  o: 'Mount options, separated by commas, such as addr=server,ro or bind; needs type and device. A password for cifs goes to mount.cifs in a file.',
  size: 'Not supported: a folder has no limit of its own. Use the image driver for a hard size.',
};

/** @throws AppError INVALID_OPTION naming the option; values are never repeated, they may hold secrets */
export function checkLocalOptions(options: StringMap): void {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(LOCAL_OPTIONS, name)) throw invalidOption(name, 'is not an option of the local driver: it takes type, o and device');
  }
  const has = (name: string): boolean => Object.hasOwn(options, name);
  if (has('device') && !has('type')) throw invalidOption('device', 'needs the option type');
  if (has('type') && !has('device')) throw invalidOption('type', 'needs the option device');
  if (has('o') && !has('device')) throw invalidOption('o', 'needs the options type and device');
  for (const [name, value] of Object.entries(options)) {
    if (/\p{Cc}/u.test(value)) throw invalidOption(name, 'holds a control character');
  }
  checkSize(options['size']);
  const plan = planLocalMount(options);
  if (plan !== undefined && isCifs(plan.type)) checkCifs(plan);
}

/** Pure. Undefined: an ordinary folder, nothing to mount. */
export function planLocalMount(options: StringMap): LocalMountPlan | undefined {
  const type = options['type'] ?? '';
  const device = options['device'] ?? '';
  if (type === '' && device === '') return undefined;
  const words = (options['o'] ?? '').split(',').filter((word) => word !== '');
  const credentials = isCifs(type) ? credentialsOf(words) : undefined;
  const secrets = [...words.filter(isSecretWord).map((word) => word.slice(word.indexOf('=') + 1)), ...urlPassword(device)];
  const host = hostOf(type, device, words);
  return {
    type: type === '' ? 'auto' : type,
    source: isCifs(type) ? unescapeUrl(device) : device,
    options: words.filter((word) => word !== 'ro' && word !== 'rw' && !(credentials !== undefined && isCredentialWord(word))),
    mode: words.includes('ro') ? 'ro' : 'rw',
    secrets,
    ...(host === undefined ? {} : { host }),
    ...(credentials === undefined ? {} : { credentials }),
  };
}

/** Pure. The plan with `address` in the places where its host stood: mount(2) takes no host names. */
export function withAddress(plan: LocalMountPlan, address: string): LocalMountPlan {
  const options = plan.options.filter((word) => !word.startsWith('addr='));
  // moby's idiom for nfs leaves the server out of the device; mount.nfs wants it there.
  const server = isIPv6(address) ? `[${address}]` : address;
  return {
    ...plan,
    source: plan.source.startsWith(':') ? `${server}${plan.source}` : plan.source,
    options: [...options, `addr=${address}`],
  };
}

/** `o` as it may be shown. */
export function maskedWords(o: string): string {
  return o
    .split(',')
    .map((word) => (isSecretWord(word) ? `${word.slice(0, word.indexOf('='))}=***` : word))
    .join(',');
}

/** `device` as it may be shown: without the password of an URL. */
export function maskedDevice(device: string): string {
  return device.replace(URL_PASSWORD, '$1:***@');
}

function checkSize(size: string | undefined): void {
  if (size === undefined) return;
  const sizeBytes = parseSizeBytes(size);
  if (sizeBytes === undefined) throw invalidOption('size', 'is not a size such as 10g');
  if (sizeBytes > 0)
    throw invalidOption('size', 'is not supported by the local driver, because a folder has no hard limit: use the image driver');
}

function checkCifs(plan: LocalMountPlan): void {
  const host = /^(?:[a-z]+:)?\/\/(?:[^/@]*@)?([^/]*)/i.exec(plan.source)?.[1];
  if (host === undefined || host === '') throw invalidOption('device', 'is not a share such as //server/share');
  if (/:\d*$/.test(host) && !isIPv6(host)) throw invalidOption('device', 'has a port in it: put port=… into the option o');
}

/** The first `addr=`, for nfs and cifs; else the server of a cifs share. An address needs no resolving. */
function hostOf(type: string, device: string, words: readonly string[]): string | undefined {
  if (!isCifs(type) && type !== 'nfs' && type !== 'nfs4') return undefined;
  const named = words.find((word) => word.startsWith('addr='))?.slice('addr='.length);
  if (named !== undefined && named !== '') return named;
  if (!isCifs(type) || words.some((word) => word.startsWith('ip='))) return undefined;
  const server = /^(?:[a-z]+:)?\/\/(?:[^/@]*@)?([^/]+)/i.exec(device)?.[1];
  return server === undefined || isIPv4(server) ? undefined : server;
}

function credentialsOf(words: readonly string[]): StringMap | undefined {
  const found: Record<string, string> = {};
  for (const word of words.filter(isCredentialWord)) {
    const at = word.indexOf('=');
    found[CREDENTIAL_KEYS.get(word.slice(0, at).toLowerCase()) ?? ''] = word.slice(at + 1);
  }
  return Object.hasOwn(found, 'password') ? found : undefined;
}

function isCredentialWord(word: string): boolean {
  return word.includes('=') && CREDENTIAL_KEYS.has(word.slice(0, word.indexOf('=')).toLowerCase());
}

function isSecretWord(word: string): boolean {
  return word.includes('=') && SECRET_KEYS.has(word.slice(0, word.indexOf('=')).trim().toLowerCase());
}

function isCifs(type: string): boolean {
  return type === 'cifs' || type === 'smb3';
}

function unescapeUrl(device: string): string {
  try {
    return decodeURIComponent(device);
  } catch {
    // A lone % is part of the name.
    return device;
  }
}

function urlPassword(device: string): readonly string[] {
  const password = URL_PASSWORD.exec(device)?.[2];
  return password === undefined ? [] : [password];
}

const URL_PASSWORD = /^((?:[a-z][a-z0-9+.-]*:)?\/\/[^/@:]*):([^/@]*)@/i;
/** Words of mount.cifs(8) and their names in a credentials file. */
const CREDENTIAL_KEYS: ReadonlyMap<string, string> = new Map([
  ['user', 'username'],
  ['username', 'username'],
  ['pass', 'password'],
  ['password', 'password'],
  ['dom', 'domain'],
  ['domain', 'domain'],
  ['workgroup', 'domain'],
]);
const SECRET_KEYS: ReadonlySet<string> = new Set(['password', 'pass', 'passwd', 'password2', 'secret', 'key']);
