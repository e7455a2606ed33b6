import { AppError } from '@volplane/base';
import { noSteps, type DriverContext } from '../driver-context.js';
import type { FileFault, FileOutcome, FileRunner } from './file-call.js';
import type { FilePlan } from './file-plan.js';

/** Runs the rounds as one script; in parts with the steps between them where somebody watches steps. */
export async function runPlan<Blank extends string>(
  run: { readonly context: DriverContext; readonly files: FileRunner; readonly values: Readonly<Record<Blank, string>> },
  plan: FilePlan<Blank>,
): Promise<FileOutcome> {
  const { context, files } = run;
  if (context.onStep === noSteps) return await files.run(plan.script, run.values);
  const values: string[] = [];
  for (const { script, begin, step } of plan.parts) {
    // One part after the other, as in one script.
    const part = await files.run(script, run.values);
    values.push(...part.values);
    if (part.fault !== undefined) return { values, fault: { ...part.fault, round: part.fault.round + begin } };
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
