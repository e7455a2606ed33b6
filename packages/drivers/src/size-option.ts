/**
 * A size as moby writes it: `10g`, `1.5 GiB`, `512mb`, `4096`; base 1024 whatever the suffix.
 *
 * @returns whole bytes, rounded down; undefined when it is no size or does not fit a safe integer
 */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s?([kmgtp]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const power = match[2] === undefined || match[2] === '' ? 0 : 'kmgtp'.indexOf(match[2].toLowerCase()) + 1;
  const sizeBytes = Math.floor(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined;
}
