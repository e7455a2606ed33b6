import { GUARDS_OF_CLAIMS } from './claims.js';
import { GUARDS_OF_LIVES } from './lives.js';
import { GUARDS_OF_MOUNTS } from './mounts.js';
import type { Mutant } from './mutant.js';

export type { Mutant } from './mutant.js';

/** Every guard that can be switched off. */
export const MUTANTS: readonly Mutant[] = [...GUARDS_OF_CLAIMS, ...GUARDS_OF_MOUNTS, ...GUARDS_OF_LIVES];

/** @throws Error when there is none of the name */
export function findMutant(name: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.name === name);
  if (found === undefined) throw new Error(`there is no mutant ${name}: ${MUTANTS.map((mutant) => mutant.name).join(', ')}`);
  return found;
}
