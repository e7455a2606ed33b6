import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../setup/workspace.mjs';
import { pageText } from './markdown.js';
import { GENERATED_PAGES } from './pages.js';

/** `npm run docs`: writes the pages of docs/ that come from tables in the code. */
for (const page of GENERATED_PAGES) {
  await writeFile(join(ROOT, page.path), await pageText(page));
  console.log(page.path);
}
