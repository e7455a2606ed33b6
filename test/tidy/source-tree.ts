import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** One text file of the project, its path relative to the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What is neither written by people nor part of the project. */
const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', 'generated', 'coverage', '.git', '.cache', '.volplane']);
const TEXT = /(^|[/.])(ts|mjs|cjs|js|json|md|proto|ya?ml|sh|service|run|Dockerfile|[.]editorconfig)$/;

/** Every text file of the project, except the lock file. */
export function projectFiles(): SourceFile[] {
  return filesBelow(ROOT)
    .filter((path) => TEXT.test(path) && path !== 'pnpm-lock.yaml')
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** Every file of program text: product, tests and scripts. */
export function programFiles(): SourceFile[] {
  return projectFiles().filter(({ path }) => /[.](ts|mjs|cjs|js)$/.test(path));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : filesBelow(path);
    return entry.isFile() ? [relative(ROOT, path)] : [];
  });
}
