import { format, resolveConfig } from 'prettier';
import { ROOT } from '../setup/workspace.mjs';

/** A page of docs/ that is written from the tables in the code. */
export interface GeneratedPage {
  /** Relative to the root of the checkout. */
  readonly path: string;
  /** Its Markdown, before Prettier has laid it out. */
  render(): string;
}

/** The text that belongs into the file of `page`. */
export async function pageText(page: GeneratedPage): Promise<string> {
  const notice = '<!-- Written by `npm run docs` from the tables in the code: change those. -->';
  const options = await resolveConfig(`${ROOT}${page.path}`);
  return await format(`${notice}\n\n${page.render()}`, { ...options, parser: 'markdown' });
}

/** A table; cells may hold Markdown, and keep their bars and line ends. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
