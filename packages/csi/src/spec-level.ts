/**
 * The CSI releases that a caller may expect. Callers of an older one do not know the capabilities of a newer one, and some
 * refuse a number that they do not know, so nothing newer than the level is advertised.
 */
export const SPEC_LEVELS = ['1.8', '1.9', '1.10', '1.11', '1.12', '1.13'] as const;
export type SpecLevel = (typeof SPEC_LEVELS)[number];

export const SPEC_LEVEL_DEFAULT: SpecLevel = '1.12';

export function isSpecLevel(text: string): text is SpecLevel {
  return (SPEC_LEVELS as readonly string[]).includes(text);
}

/** True when `level` is `wanted` or newer. */
export function isAtLeast(level: SpecLevel, wanted: SpecLevel): boolean {
  return SPEC_LEVELS.indexOf(level) >= SPEC_LEVELS.indexOf(wanted);
}
