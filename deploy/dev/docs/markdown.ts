import { readFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { ROOT } from '../setup/workspace.mjs';

/** A page of docs/ that is written from the tables in the code, or one section of it. */
export interface GeneratedPage {
  /** Relative to the root of the checkout. */
  readonly path: string;
  /** Only what stands between `<!-- NAME -->` and `<!-- end of NAME -->` is written; the rest of the page is by hand. */
  readonly section?: string;
  /** Its Markdown, before Prettier has laid it out. */
  render(): string;
}

/** The text that belongs into the file of `page`. */
export async function pageText(page: GeneratedPage): Promise<string> {
  const options = await resolveConfig(`${ROOT}${page.path}`);
  const text = page.section === undefined ? `${NOTICE}\n\n${page.render()}` : await withSection(page, page.section);
  return await format(text, { ...options, parser: 'markdown' });
}

async function withSection(page: GeneratedPage, section: string): Promise<string> {
  const text = await readFile(`${ROOT}${page.path}`, 'utf8');
  const begin = `<!-- ${section} -->`;
  const end = `<!-- end of ${section} -->`;
  const [before, rest, more] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined || more !== undefined) throw new Error(`${page.path} needs ${begin} and ${end}, once`);
  return `${before}${begin}\n\n${NOTICE}\n\n${page.render()}\n\n${end}${after}`;
}

const NOTICE = '<!-- Written by `npm run docs` from the tables in the code: change those. -->';

/** A table; cells may hold Markdown, and keep their bars and line ends. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
