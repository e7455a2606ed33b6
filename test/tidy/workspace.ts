import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './source-tree.js';

/** A package or service of the workspace, as its own files describe it. */
export interface Member {
  /** `packages/base` */
  readonly folder: string;
  readonly name: string;
  /** Folders of the workspace members that it depends on, sorted. */
  readonly dependencies: readonly string[];
  /** Folders that its tsconfig.json refers to, sorted. */
  readonly references: readonly string[];
}

export function workspaceMembers(): Member[] {
  return ['packages', 'services'].flatMap((parent) =>
    readdirSync(join(ROOT, parent))
      .filter((name) => existsSync(join(ROOT, parent, name, 'package.json')))
      .map((name) => readMember(`${parent}/${name}`)),
  );
}

/** Folders that the root tsconfig.json builds. */
export function builtFolders(): string[] {
  return referencesOf(readJson('tsconfig.json'));
}

/** What is wrong with one member; `built` are the folders that the root builds. */
export function memberFaults(member: Member, built: readonly string[]): string[] {
  const { folder, dependencies, references } = member;
  const faults: string[] = [];
  if (!built.includes(folder)) faults.push(`${folder}: not in the references of the root tsconfig.json`);
  for (const other of dependencies.filter((each) => !references.includes(each)))
    faults.push(`${folder}: tsconfig.json lacks a reference to ${other}`);
  for (const other of references.filter((each) => !dependencies.includes(each)))
    faults.push(`${folder}: tsconfig.json refers to ${other}, package.json does not`);
  return faults;
}

function readMember(folder: string): Member {
  const manifest = readJson(`${folder}/package.json`) as { name: string; dependencies?: Record<string, string> };
  const dependencies = Object.keys(manifest.dependencies ?? {})
    .filter((name) => name.startsWith('@volplane/'))
    .map((name) => `packages/${name.slice('@volplane/'.length)}`);
  const references = referencesOf(readJson(`${folder}/tsconfig.json`)).map((path) => join(folder, path));
  return {
    folder,
    name: manifest.name,
    dependencies: dependencies.sort(),
    references: references.sort(),
  };
}

function referencesOf(config: unknown): string[] {
  const { references = [] } = config as { references?: readonly { readonly path: string }[] };
  return references.map(({ path }) => path);
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
}
