import type { FileCall, FileScript } from './file-call.js';

/** A round of a script, and the step that is told after it. */
export interface Round {
  readonly calls: readonly FileCall[];
  readonly step?: string;
}

/** Rounds that are run again and again, with blanks in their texts for what differs from time to time. */
export interface FilePlan<Blank extends string> {
  readonly script: FileScript;
  /** The same, cut where a step is told. */
  readonly parts: readonly PlanPart[];
  /** Never there: says which blanks the values of a run have to fill. */
  readonly blanks?: Readonly<Record<Blank, string>>;
}

interface PlanPart {
  readonly script: FileScript;
  /** The first of its rounds, as it is counted in the whole. */
  readonly begin: number;
  readonly step?: string;
}

/**
 * Built once: a convoy takes each plan along once, and of each run the values only.
 *
 * @param rounds - its argument makes the text that stands for a value; it may be a part of a path
 */
export function planOf<Blank extends string>(rounds: (blank: (name: Blank) => string) => readonly Round[]): FilePlan<Blank> {
  const all = rounds(blankFor);
  const parts: PlanPart[] = [];
  let begin = 0;
  for (const [index, { step }] of all.entries()) {
    if (step === undefined && index < all.length - 1) continue;
    const script = all.slice(begin, index + 1).map(({ calls }) => calls);
    parts.push({ script, begin, ...(step === undefined ? {} : { step }) });
    begin = index + 1;
  }
  return { script: all.map(({ calls }) => calls), parts };
}

/** Zeros, which no path has, and no JSON. As in file-worker.js. */
function blankFor(name: string): string {
  return `\0${name}\0`;
}
