import { AppError } from '@volplane/base';
import { ACCESS_MODES, quote, TAKEOVER_POLICIES, type CreateVolumeRequest } from '@volplane/domain';

/** What the options of a Docker `Create` say: the cluster's own keys, and the rest, which is the driver's. */
export type CreateChoices = Pick<
  CreateVolumeRequest,
  'options' | 'labels' | 'accessMode' | 'takeover' | 'sizeBytes' | 'topology' | 'source'
>;

/**
 * Parts the cluster's keys from the driver's options. Own keys are exact and in lower case; everything else goes to the
 * driver, which refuses what it does not know: nothing is ignored.
 *
 * | key | meaning |
 * |---|---|
 * | `access-mode` | one of the access modes |
 * | `takeover` | `manual`, `lease` or `storage` |
 * | `size` | hard size: a number of bytes, or with k, m, g, t, p (base 1024), fractions allowed |
 * | `label.KEY` | a label of the volume in the cluster; the engine never passes its own labels on |
 * | `topology.KEY` | only nodes with this label may own it |
 * | `source` | `VOLUME` or `VOLUME@SNAPSHOT`: clone it |
 *
 * @throws AppError INVALID_OPTION naming the key
 */
export function parseCreateOptions(raw: Readonly<Record<string, string>>): CreateChoices {
  const options: [string, string][] = [];
  const labels: [string, string][] = [];
  const topology: [string, string][] = [];
  let choices: CreateChoices = {};
  for (const [key, value] of Object.entries(raw)) {
    const own = OWN_KEYS.get(key);
    if (own !== undefined) choices = { ...choices, ...own(value) };
    else if (key.startsWith(LABEL_PREFIX)) labels.push([suffixOf(key, LABEL_PREFIX), value]);
    else if (key.startsWith(TOPOLOGY_PREFIX)) topology.push([suffixOf(key, TOPOLOGY_PREFIX), value]);
    else options.push([key, value]);
  }
  return {
    ...choices,
    options: Object.fromEntries(options),
    labels: Object.fromEntries(labels),
    ...(topology.length > 0 && { topology: Object.fromEntries(topology) }),
  };
}

/** Bytes of a human size. @throws AppError INVALID_OPTION */
export function parseSize(text: string): number {
  const [, digits, unit = ''] = SIZE.exec(text.trim().toLowerCase()) ?? [];
  const bytes = digits === undefined ? Number.NaN : Math.round(Number(digits) * 1024 ** (unit === '' ? 0 : UNITS.indexOf(unit) + 1));
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new AppError(
    'INVALID_OPTION',
    `option size=${quote(text)} is not a size: use bytes or a number with k, m, g, t or p, such as 10g`,
    { option: 'size' },
  );
}

const LABEL_PREFIX = 'label.';
const TOPOLOGY_PREFIX = 'topology.';

const UNITS = 'kmgtp';
const SIZE = /^([0-9]+(?:\.[0-9]+)?)(?:b|([kmgtp])(?:b|ib)?)?$/;

const OWN_KEYS: ReadonlyMap<string, (value: string) => CreateChoices> = new Map<string, (value: string) => CreateChoices>([
  ['access-mode', (value) => ({ accessMode: oneOf('access-mode', value, ACCESS_MODES) })],
  ['takeover', (value) => ({ takeover: oneOf('takeover', value, TAKEOVER_POLICIES) })],
  ['size', (value) => ({ sizeBytes: parseSize(value) })],
  ['source', (value) => ({ source: parseSource(value) })],
]);

function parseSource(value: string): { volume: string; snapshot?: string } {
  const at = value.indexOf('@');
  return at === -1 ? { volume: value } : { volume: value.slice(0, at), snapshot: value.slice(at + 1) };
}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw new AppError('INVALID_OPTION', `option ${option}=${quote(value)} is not one of ${allowed.join(', ')}`, { option });
}

function suffixOf(key: string, prefix: string): string {
  const suffix = key.slice(prefix.length);
  if (suffix !== '') return suffix;
  throw new AppError('INVALID_OPTION', `option ${quote(key)} names no ${prefix.slice(0, -1)}`, { option: key });
}
