import { configurationPage } from './configuration-page.js';
import { errorsPage } from './errors-page.js';
import type { GeneratedPage } from './markdown.js';
import { runFlatTable } from './run-flat-table.js';

/** `npm run docs` writes each of these; test/tidy/docs.test.ts compares them with what is committed. */
export const GENERATED_PAGES: readonly GeneratedPage[] = [
  { path: 'docs/errors.md', render: errorsPage },
  { path: 'docs/configuration.md', render: configurationPage },
  { path: 'docs/operations.md', section: 'run-flat table', render: runFlatTable },
];
