import { z } from 'zod';

/** A program of the operator with its arguments, which may hold placeholders. */
export type FenceCommand = readonly string[];

export interface FenceConfig {
  /** Makes the storage refuse every epoch below `{epoch}`. */
  readonly fence: FenceCommand;
  /** Tells the storage before each mount which node uses the volume at `{epoch}`. */
  readonly admit?: FenceCommand;
}

const command = z.array(z.string().min(1).max(1_000)).min(1).max(32);

/** The fields of every kind of driver whose storage a program can fence. */
export const fenceFields = { fence: command.exactOptional(), admit: command.exactOptional() };

/** What is wrong with the fence of an entry; undefined = nothing. Pure. */
export function fenceConfigFault(entry: { readonly scope: 'local' | 'global' } & Partial<FenceConfig>): string | undefined {
  const { fence, admit, scope } = entry;
  if (admit !== undefined && fence === undefined) return 'admit needs fence beside it: nothing would ever end what it begins';
  if (fence === undefined) return undefined;
  if (scope === 'local') return 'fence is for drivers of global scope: nobody takes a local volume over';
  return commandFault('fence', fence) ?? (admit === undefined ? undefined : commandFault('admit', admit));
}

function commandFault(field: 'fence' | 'admit', [program = '', ...args]: FenceCommand): string | undefined {
  if (!program.startsWith('/') || /[{}]/.test(program)) return `${field} does not begin with the absolute path of a program`;
  const allowed = PLACEHOLDERS[field];
  for (const [text, name = ''] of args.flatMap((arg) => [...arg.matchAll(PLACEHOLDER)])) {
    if (!allowed.includes(name)) return `${text} is no placeholder of ${field}: use ${allowed.map((each) => `{${each}}`).join(', ')}`;
  }
  // The one thing that tells this fence from an earlier one.
  return args.some((arg) => arg.includes('{epoch}')) ? undefined : `${field} does not tell its program the {epoch}`;
}

/** The arguments with their placeholders filled in. Names, uids, numbers and modes need no quoting: no shell reads them. Pure. */
export function fillCommand(
  [program = '', ...args]: FenceCommand,
  values: Readonly<Record<string, string>>,
): { readonly file: string; readonly args: string[] } {
  return { file: program, args: args.map((arg) => arg.replace(PLACEHOLDER, (text, name: string) => values[name] ?? text)) };
}

const PLACEHOLDER = /\{([^{}]*)\}/g;
const PLACEHOLDERS: Readonly<Record<'fence' | 'admit', readonly string[]>> = {
  fence: ['name', 'uid', 'epoch', 'node'],
  admit: ['name', 'uid', 'epoch', 'node', 'mode'],
};
