const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  pib: 2 ** 50,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  pb: 1e15,
};

/** `10GiB`, `10g`, `1.5TB`, `4096`: bytes. @throws Error with a text that completes "SIZE ..." */
export function parseSize(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = UNITS[match?.[2]?.toLowerCase() ?? 'none'];
  const bytes = Number(match?.[1]) * (unit ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) throw new Error('is no size in whole bytes; use 4096, 500MiB, 10GiB or 1.5TiB');
  return bytes;
}

/** In the largest unit that it fills, to a tenth; `-` for no size. Exact sizes are in the JSON. */
export function formatSize(bytes: number | undefined): string {
  if (bytes === undefined) return '-';
  for (const [name, unit] of SHOWN_UNITS) if (bytes >= unit) return `${String(Math.round((bytes / unit) * 10) / 10)} ${name}`;
  return `${String(bytes)} B`;
}

const SHOWN_UNITS = [
  ['PiB', 2 ** 50],
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const;
