/** A guard, and how it is switched off. */
export interface Mutant {
  readonly name: string;
  /** The rule of docs/ownership.md, by number, and what the guard does for it. */
  readonly rule: string;
  /**
   * What shows that it is missed. `seeds`: a violation within `seeds` seeds. `nothing`: so many seeds find nothing, because other guards cover it,
   * see `why`.
   */
  readonly shownBy: 'seeds' | 'nothing';
  readonly seeds: number;
  /** Only seeds of this mix are run, and counted; absent = of all. */
  readonly mix?: string;
  readonly why?: string;
  readonly edits: readonly Edit[];
}

/** `text` is in `file` exactly once. */
export interface Edit {
  readonly file: string;
  readonly text: string;
  readonly replacement: string;
}

export function inFile(file: string): (text: string, replacement: string) => Edit {
  return (text, replacement) => ({ file, text, replacement });
}
