import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { programFiles, ROOT } from './source-tree.js';

/** docs/docker.md names a test for each pain: the name of its file, then parts of titles between underscores. */
describe('the table of pains in docs/docker.md', () => {
  const rows = readFileSync(join(ROOT, 'docs/docker.md'), 'utf8')
    .split('\n')
    .filter((line) => /^\| (\(|[a-z-]+#)/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()));

  it('has the pains', () => {
    expect(rows.length).to.be.greaterThan(15);
  });

  for (const [, issue = '', , , tests = ''] of rows) {
    it(`names tests that exist for ${issue}`, () => {
      const named = tests.split('; ').map((part) => {
        const [file = '', titles = ''] = part.split(': ');
        return { file, titles: [...titles.matchAll(/_(.+?)_(?=,|$)/g)].map(([, title = '']) => title) };
      });
      expect(named).not.to.deep.equal([]);
      for (const { file, titles } of named) {
        expect(titles, file).not.to.deep.equal([]);
        const lines = titlesOf(file);
        for (const title of titles) {
          expect(
            lines.some((line) => line.includes(title)),
            `${file}: ${title}`,
          ).to.equal(true);
        }
      }
    });
  }
});

/** The lines of the test files of this name that hold the title of a test. */
function titlesOf(name: string): readonly string[] {
  const files = PROGRAM.filter(({ path }) => new RegExp(`(^|/)${name}([.][a-z]+)?[.]test[.]ts$`).test(path));
  expect(files, name).not.to.deep.equal([]);
  return files.flatMap(({ text }) => text.split('\n')).filter((line) => /\bit\(/.test(line));
}

const PROGRAM = programFiles();
