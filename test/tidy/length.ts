import ts from 'typescript';
import type { SourceFile } from './source-tree.js';

/** Above 400 look for a split; this is where reading ends. */
export const FILE_LINES_MAX = 600;
/** What a screen shows. */
export const FUNCTION_LINES_MAX = 70;

/** The file when it is too long, and each function in it that is. */
export function lengthFaults(file: SourceFile): string[] {
  const lines = file.text.trimEnd().split('\n').length;
  const faults = lines > FILE_LINES_MAX ? [`${file.path}: ${String(lines)} lines, at most ${String(FILE_LINES_MAX)}`] : [];
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined && !declaresTests(node)) {
      const first = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      const length = source.getLineAndCharacterOfPosition(node.getEnd()).line + 2 - first;
      if (length > FUNCTION_LINES_MAX) {
        faults.push(`${file.path}:${String(first)}: a function of ${String(length)} lines, at most ${String(FUNCTION_LINES_MAX)}`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return faults;
}

/** A function that holds suites or tests is a list of them; each test in it is judged for itself. */
function declaresTests(node: ts.Node): boolean {
  if (ts.isCallExpression(node) && /^(describe|it|before|after|beforeEach|afterEach)([.]|$)/.test(node.expression.getText())) return true;
  return ts.forEachChild(node, (child) => declaresTests(child)) ?? false;
}
