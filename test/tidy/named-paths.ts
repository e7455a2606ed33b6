import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, type SourceFile } from './source-tree.js';

/** Paths of the project that a page names and that are not there. */
export function namedPathFaults(page: SourceFile, exists = (path: string) => existsSync(join(ROOT, path))): string[] {
  const paths = [...page.text.matchAll(/`((packages|services|deploy|test|docs|proto)\/[\w./-]+)`/g)].map(([, path = '']) => path);
  return paths.filter((path) => !exists(path)).map((path) => `${page.path}: there is no ${path}`);
}
