import { expect } from 'chai';
import { namedPathFaults } from './named-paths.js';
import { projectFiles } from './source-tree.js';

describe('documentation', () => {
  it('names only files and folders that are there', () => {
    const pages = projectFiles().filter(({ path }) => path.endsWith('.md'));
    expect(pages.flatMap((page) => namedPathFaults(page))).to.deep.equal([]);
  });

  it('would find a path that is gone', () => {
    const page = { path: 'a.md', text: 'See `packages/gone/a.ts` and `packages/here`, but `packages/*/src` is a pattern.' };
    expect(namedPathFaults(page, (path) => path === 'packages/here')).to.deep.equal(['a.md: there is no packages/gone/a.ts']);
  });
});
