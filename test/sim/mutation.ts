import { readFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import ts from 'typescript';
import type { Mutant } from './mutants/index.js';

/**
 * Switches a guard off in this process: its source is replaced as it is loaded, so it must be called before anything of the product is
 * imported. The files on disk stay as they are, and the product has no switch for it.
 *
 * @returns call it when everything is loaded: it throws when a changed file was not used
 * @throws Error when a piece of text is not in its file exactly once: the guard has moved, and the table of mutants has to follow
 */
export function applyMutant(mutant: Mutant): () => void {
  const changed = mutatedSources(mutant).map(({ url, source }) => [url, `${toJavaScript(source)}\n${MARK}`] as const);
  nodeModule.register('./mutation-hooks.mjs', import.meta.url, { data: changed });
  return () => {
    const loaded = Number(Reflect.get(globalThis, MARK_NAME) ?? 0);
    if (loaded !== changed.length)
      throw new Error(`mutant ${mutant.name}: ${String(loaded)} of its ${String(changed.length)} files were loaded`);
  };
}

/** @throws Error as {@link applyMutant} does */
export function mutatedSources(mutant: Mutant): readonly { readonly url: string; readonly source: string }[] {
  const sources = new Map<string, string>();
  for (const { file, text, replacement } of mutant.edits) {
    const url = new URL(`../../${file}`, import.meta.url).href;
    const parts = (sources.get(url) ?? readFileSync(new URL(url), 'utf8')).split(text);
    if (parts.length !== 2)
      throw new Error(`mutant ${mutant.name}: its text is ${String(parts.length - 1)} times in ${file}, not once:\n${text}`);
    sources.set(url, parts.join(replacement));
  }
  return [...sources].map(([url, source]) => ({ url, source }));
}

function toJavaScript(source: string): string {
  const { module, target } = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
  return ts.transpileModule(source, { compilerOptions: { module, target, verbatimModuleSyntax: true } }).outputText;
}

const MARK_NAME = 'volplaneMutatedFiles';
const MARK = `globalThis.${MARK_NAME} = (globalThis.${MARK_NAME} ?? 0) + 1;`;
