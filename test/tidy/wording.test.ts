import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { programFiles, projectFiles, ROOT, type SourceFile } from './source-tree.js';
import { asyncFaults, keyFaults, KEY_FILES, machinePathFaults, todoFaults } from './wording.js';

/** These files hold what the rules look for. */
const OWN_FILES = ['test/tidy/wording.ts', 'test/tidy/wording.test.ts'];

describe('wording', () => {
  const others = (files: readonly SourceFile[]): SourceFile[] => files.filter(({ path }) => !OWN_FILES.includes(path));
  const file = (text: string, path = 'packages/x/src/a.ts'): SourceFile => ({ path, text });

  it('leaves no work unfinished without the number of its issue', () => {
    expect(others(projectFiles()).flatMap(todoFaults)).to.deep.equal([]);
    expect(todoFaults(file('// TODO: later'))).to.have.length(1);
    expect(todoFaults(file('// FIXME'))).to.have.length(1);
    expect(todoFaults(file('// TODO(12): later'))).to.deep.equal([]);
  });

  it('names no path of one machine', () => {
    expect(others(projectFiles()).flatMap((each) => machinePathFaults(each))).to.deep.equal([]);
    const found = (text: string): number => machinePathFaults(file(text), '/build/volplane', '/var/me').length;
    expect(found('see /home/ann/notes')).to.equal(1);
    expect(found('see /build/volplane/x')).to.equal(1);
    expect(found('see /build/other')).to.equal(1);
    expect(found('see /var/me/x')).to.equal(1);
    expect(found('see packages/build/x and /var/lib/volplane')).to.equal(0);
  });

  it('spells the keys of the store in one file', () => {
    expect(KEY_FILES.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
    const product = others(programFiles()).filter(({ path }) => /^(packages|services)\/[^/]+\/src\//.test(path));
    expect(product.flatMap(keyFaults)).to.deep.equal([]);
    expect(keyFaults(file("const key = '/volplane/volumes/x';"))).to.have.length(1);
    expect(keyFaults(file('const key = `/volplane/${x}`;'))).to.have.length(1);
    expect(keyFaults(file("const folder = '/var/lib/volplane/x';"))).to.deep.equal([]);
  });

  it('keeps the domain free of waiting', () => {
    expect(others(programFiles()).flatMap(asyncFaults)).to.deep.equal([]);
    expect(asyncFaults(file('export async function f() {', 'packages/domain/src/a.ts'))).to.have.length(1);
    expect(asyncFaults(file('f(): Promise<void>;', 'packages/domain/src/a.ts'))).to.have.length(1);
    expect(asyncFaults(file('// no Promise here', 'packages/domain/src/a.ts'))).to.deep.equal([]);
  });
});
