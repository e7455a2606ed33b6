import { homedir } from 'node:os';
import { sep } from 'node:path';
import { ROOT, type SourceFile } from './source-tree.js';

/** Marks of unfinished work; one with the number of its issue, as in TODO(12), is a plan. */
export function todoFaults(file: SourceFile): string[] {
  return linesWith(file, /\b(TODO(?!\(\d+\))|FIXME|XXX)\b/, 'unfinished work without the number of its issue');
}

/** Paths of the machine that the text was written on: they mean nothing elsewhere. */
export function machinePathFaults(file: SourceFile, root: string = ROOT, home: string = homedir()): string[] {
  const own = [root, home, topFolder(root)]
    .filter((path) => path.length > 1)
    .map((path) => literal(path.endsWith(sep) ? path : path + sep));
  return linesWith(file, new RegExp(`(^|[^\\w.}])(${['/(home|root|Users)/\\w', ...own].join('|')})`), 'a path of one machine');
}

/** Keys in etcd are built and parsed in one file. */
export function keyFaults(file: SourceFile): string[] {
  if (KEY_FILES.includes(file.path)) return [];
  return linesWith(file, /['"`]\/volplane\//, `a key of the store; use ${KEY_FILES.join(' or ')}`);
}

/** The file that spells the keys of the product, and the one with the adapter's own key, which the product never sees. */
export const KEY_FILES = ['packages/engine/src/store/keys.ts', 'packages/store-etcd/src/options.ts'];

/** The pure core decides; waiting is for those who call it. */
export function asyncFaults(file: SourceFile): string[] {
  if (!file.path.startsWith('packages/domain/src/')) return [];
  return linesWith(file, /^(?!\s*(\/\/|\*|\/\*)).*\b(async|await|Promise)\b/, 'the domain is not asynchronous');
}

function linesWith(file: SourceFile, pattern: RegExp, what: string): string[] {
  return file.text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${String(index + 1)}: ${what}`] : []));
}

/** The first folder of a path, unless every machine has one of that name. */
function topFolder(path: string): string {
  const name = path.split(sep)[1] ?? '';
  return COMMON_FOLDERS.has(name) ? '' : `${sep}${name}`;
}

const COMMON_FOLDERS = new Set(['', 'etc', 'home', 'mnt', 'opt', 'root', 'run', 'srv', 'tmp', 'usr', 'Users', 'var']);

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
