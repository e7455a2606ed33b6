import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REASONS } from '@volplane/base';
import { expect } from 'chai';
import { pageText } from '../../deploy/dev/docs/markdown.js';
import { GENERATED_PAGES } from '../../deploy/dev/docs/pages.js';
import { ROOT } from './source-tree.js';

describe('generated documentation', () => {
  for (const page of GENERATED_PAGES) {
    it(`${page.path} is what npm run docs writes`, async () => {
      expect(readFileSync(join(ROOT, page.path), 'utf8')).to.equal(await pageText(page));
    });
  }

  it('shows every reason once, in the section of its kind', () => {
    const text = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8');
    const shown = [...text.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, reason]) => reason);
    expect(shown.sort()).to.deep.equal(Object.keys(REASONS).sort());
  });
});
