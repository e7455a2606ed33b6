import { AppError } from '@volplane/base';
import { noSteps, type DriverContext } from '../driver-context.js';
import type { FileCall, FileFault, FileOutcome, FileRunner } from './file-call.js';

/** A round of a script, and the step that is told after it. */
export interface Round {
  readonly calls: readonly FileCall[];
  readonly step?: string;
}

/** Runs the rounds as one script; in parts with the steps between them where somebody watches steps. */
export async function runRounds(context: DriverContext, files: FileRunner, rounds: readonly Round[]): Promise<FileOutcome> {
  if (context.onStep === noSteps) return await files.run(rounds.map(({ calls }) => calls));
  const values: string[] = [];
  let begun = 0;
  for (const [index, { step }] of rounds.entries()) {
    if (step === undefined && index < rounds.length - 1) continue;
    // One part after the other, as in one script.
    const part = await files.run(rounds.slice(begun, index + 1).map(({ calls }) => calls));
    values.push(...part.values);
    if (part.fault !== undefined) return { values, fault: { ...part.fault, round: part.fault.round + begun } };
    begun = index + 1;
    if (step !== undefined) await context.onStep(step);
  }
  return { values };
}

/** As if the call had been made in this thread: with `code`, `syscall` and `path`. */
export function toError({ code, message, syscall, path }: FileFault): Error {
  return Object.assign(new Error(message), { code, syscall, path });
}

/** The `index`-th answer of a script that ended well. */
export function valueAt({ values }: FileOutcome, index: number): string {
  const value = values[index];
  if (value === undefined) throw new AppError('INTERNAL', 'a call on files has not answered');
  return value;
}
