import { ownEntry } from './own-entry.js';
import type { StringMap, VolumeSpec } from './volume.js';

/** Identity is (driver, options, access mode, size): what differs, in words, the present value first; empty = the same. */
export function identityDifference(present: VolumeSpec, asked: VolumeSpec): readonly string[] {
  const differences: string[] = [];
  const compare = (
    what: string,
    one: string | undefined,
    other: string | undefined,
    show: (text: string) => string = (text) => text,
  ): void => {
    if (one === other) return;
    differences.push(`${what} is ${one === undefined ? 'not set' : show(one)}, asked for ${other === undefined ? 'none' : show(other)}`);
  };
  compare('driver', present.driver, asked.driver);
  for (const key of [...new Set([...Object.keys(present.options), ...Object.keys(asked.options)])].sort()) {
    compare(`option ${key}`, ownEntry(present.options, key), ownEntry(asked.options, key), (text) =>
      JSON.stringify(maskedOption(key, text)),
    );
  }
  compare('access mode', present.accessMode, asked.accessMode);
  compare('size', present.sizeBytes?.toString(), asked.sizeBytes?.toString());
  return differences;
}

/** An option's value as it may be shown: secrets by their key, inside mount options and inside addresses are hidden. */
export function maskedOption(key: string, value: string): string {
  if (SECRET_WORD.test(key)) return MASK;
  return value.replace(SECRET_PAIR, `$1${MASK}`).replace(ADDRESS_PASSWORD, `$1${MASK}@`);
}

/** {@link maskedOption} of all: the options as every caller may see them. */
export function maskedOptions(options: StringMap): StringMap {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, maskedOption(key, value)]));
}

const MASK = '***';
const SECRET_WORD = /pass|pwd|secret|token|credential|private/i;
/** `password=…` and the like, up to the next separator, as in the `o` option of a mount. */
const SECRET_PAIR = /([\w.-]*(?:pass|pwd|secret|token|credential|private|key)[\w.-]*=)[^,;&\s]*/gi;
/** `//user:password@host`. */
const ADDRESS_PASSWORD = /(\/\/[^/@:\s]*:)[^/@\s]*@/g;
