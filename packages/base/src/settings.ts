import { errorText } from './errors.js';

/** One setting of a process: an environment variable and a flag of the same meaning; the flag wins. */
export interface Setting<T> {
  /** Shown in help and docs, with its unit and bounds. */
  readonly help: string;
  /** What it is when it is not set; undefined = it must be set. Written as a user would. */
  readonly fallback: string | undefined;
  /** Where the process finds a value of its own when it is not set, in words such as `the host name`: shown in place of `fallback`. */
  readonly otherwise?: string;
  /** @throws Error with a text that completes "NAME ..." */
  readonly parse: (text: string) => T;
  /** Never shown: not in help output, logs or `--print-config`. */
  readonly secret?: boolean;
}

export type SettingTable = Readonly<Record<string, Setting<unknown>>>;
export type Settings<Table extends SettingTable> = { readonly [Key in keyof Table]: Table[Key] extends Setting<infer T> ? T : never };

export type ReadSettings<Table extends SettingTable> =
  | {
      readonly type: 'settings';
      readonly settings: Settings<Table>;
      readonly shown: Readonly<Record<string, string>>;
      readonly printConfig: boolean;
      readonly checkConfig: boolean;
    }
  | { readonly type: 'help'; readonly text: string }
  | { readonly type: 'faults'; readonly faults: readonly string[] };

/**
 * Reads every setting from flags (`--data-dir X`, `--data-dir=X`) and the environment (`VOLPLANE_DATA_DIR`), and tells all faults
 * at once. A setting named `dataDir` has the flag `--data-dir` and the variable PREFIX_DATA_DIR.
 */
export function readSettings<Table extends SettingTable>(
  table: Table,
  source: {
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly prefix: string;
    readonly usage: string;
  },
): ReadSettings<Table> {
  const faults: string[] = [];
  const flags = readFlags(table, source.argv, faults);
  if (flags.has('help')) return { type: 'help', text: helpText(table, source) };
  const settings: Record<string, unknown> = {};
  const shown: Record<string, string> = {};
  for (const [key, setting] of Object.entries(table)) {
    const name = variableOf(key, source.prefix);
    const text = flags.get(flagOf(key)) ?? source.env[name] ?? setting.fallback;
    if (text === undefined) {
      faults.push(`--${flagOf(key)} (or ${name}) is not set: ${setting.help}`);
      continue;
    }
    try {
      settings[key] = setting.parse(text);
      shown[key] = setting.secret === true && text !== '' ? '***' : text;
    } catch (error) {
      const value = setting.secret === true ? '' : ` ${JSON.stringify(text.slice(0, 200))}`;
      faults.push(`--${flagOf(key)} (or ${name})${value} ${error instanceof Error ? error.message : 'is not allowed'}`);
    }
  }
  if (faults.length > 0) return { type: 'faults', faults };
  // Every key of the table was parsed by its own setting.
  return {
    type: 'settings',
    settings: settings as Settings<Table>,
    shown,
    printConfig: flags.has('print-config'),
    checkConfig: flags.has('check-config'),
  };
}

/** The texts of those checks that fail, all at once. What a setting is good for is known to the part that uses it. */
export async function faultsOf(checks: readonly (() => unknown)[]): Promise<readonly string[]> {
  const outcomes = await Promise.allSettled(checks.map(async (check) => await check()));
  return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [errorText(outcome.reason)] : []));
}

/** The table as Markdown rows, for docs/configuration.md. */
export function settingRows(table: SettingTable, prefix: string): readonly string[] {
  return Object.entries(table).map(([key, setting]) => {
    const { fallback, otherwise } = setting;
    const shown = otherwise ?? (fallback === undefined ? '(required)' : fallback === '' ? '(none)' : `\`${fallback}\``);
    return `| \`--${flagOf(key)}\` | \`${variableOf(key, prefix)}\` | ${shown.replaceAll('|', '\\|')} | ${setting.help.replaceAll('|', '\\|')} |`;
  });
}

export const text = (value: string): string => value;

export function nonEmpty(value: string): string {
  if (value.trim() === '') throw new Error('is empty');
  return value;
}

export function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < min || number > max)
      throw new Error(`is not a whole number from ${String(min)} to ${String(max)}`);
    return number;
  };
}

/** `true`, `false`, `1` or `0`; empty, as templates leave a variable that is not set, is false. */
export function boolean(value: string): boolean {
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0' || value === '') return false;
  throw new Error('is neither true nor false');
}

/** Comma-separated, blanks around the parts dropped; empty = none. */
export function list(value: string): readonly string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** `a=1,b=2`. */
export function pairs(value: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    list(value).map((part) => {
      const at = part.indexOf('=');
      if (at < 1) throw new Error(`has a part ${JSON.stringify(part)} that is not KEY=VALUE`);
      return [part.slice(0, at), part.slice(at + 1)];
    }),
  );
}

export function oneOf<const T extends string>(...values: readonly T[]): (value: string) => T {
  return (value) => {
    const found = values.find((allowed) => allowed === value);
    if (found === undefined) throw new Error(`is not one of ${values.join(', ')}`);
    return found;
  };
}

const BUILT_IN = {
  help: 'show this help',
  'print-config': 'print the settings and exit',
  'check-config': 'check the settings and exit',
} as const;

function readFlags(table: SettingTable, argv: readonly string[], faults: string[]): ReadonlyMap<string, string> {
  const known = new Set([...Object.keys(table).map(flagOf), ...Object.keys(BUILT_IN)]);
  const flags = new Map<string, string>();
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const match = /^--([a-z0-9-]+)(?:=([\s\S]*))?$/.exec(word === '-h' ? '--help' : word);
    const name = match?.[1];
    if (name === undefined || !known.has(name)) {
      faults.push(`${JSON.stringify(word)} is not known; --help shows what is`);
      continue;
    }
    const isBuiltIn = Object.hasOwn(BUILT_IN, name);
    const value = match?.[2] ?? (isBuiltIn ? '' : rest.shift());
    if (value === undefined) faults.push(`--${name} has no value`);
    else flags.set(name, value);
  }
  return flags;
}

function helpText(table: SettingTable, source: { readonly prefix: string; readonly usage: string }): string {
  const lines = Object.entries(table).map(([key, setting]) => {
    const fallback = setting.otherwise ?? (setting.fallback === '' ? 'none' : setting.fallback);
    return `  --${flagOf(key)}  (${variableOf(key, source.prefix)}; ${fallback === undefined ? 'required' : `default: ${fallback}`})\n      ${setting.help}`;
  });
  const builtIn = Object.entries(BUILT_IN).map(([name, help]) => `  --${name}\n      ${help}`);
  return [source.usage, '', ...lines, ...builtIn, ''].join('\n');
}

const flagOf = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const variableOf = (key: string, prefix: string): string => `${prefix}_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
