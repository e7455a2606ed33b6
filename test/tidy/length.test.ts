import { expect } from 'chai';
import { FILE_LINES_MAX, FUNCTION_LINES_MAX, lengthFaults } from './length.js';
import { programFiles } from './source-tree.js';

describe('lengths', () => {
  it('keeps every file and function short', () => {
    expect(programFiles().flatMap(lengthFaults)).to.deep.equal([]);
  });

  it('would find a long file', () => {
    const text = 'const x = 1;\n'.repeat(FILE_LINES_MAX);
    expect(lengthFaults({ path: 'a.ts', text })).to.deep.equal([]);
    expect(lengthFaults({ path: 'a.ts', text: `${text}x;\n` })).to.deep.equal(['a.ts: 601 lines, at most 600']);
  });

  it('would find a long function, method and closure', () => {
    const body = 'call();\n'.repeat(FUNCTION_LINES_MAX - 2);
    for (const head of ['function f() {', 'const f = () => {', 'class A { m() {', 'const a = { async m() {']) {
      const tail = head.startsWith('class') || head.includes('a =') ? '} }' : '}';
      expect(lengthFaults({ path: 'a.ts', text: `${head}\n${body}${tail}` }), head).to.deep.equal([]);
      expect(lengthFaults({ path: 'a.ts', text: `${head}\n${body}call();\n${tail}` }), head).to.deep.equal([
        'a.ts:1: a function of 71 lines, at most 70',
      ]);
    }
  });

  it('judges the tests of a suite one by one', () => {
    const test = `it('x', () => {\n${'call();\n'.repeat(60)}});\n`;
    expect(lengthFaults({ path: 'a.ts', text: `describe('y', () => {\n${test}${test}});` })).to.deep.equal([]);
    const long = `it('x', () => {\n${'call();\n'.repeat(80)}});\n`;
    expect(lengthFaults({ path: 'a.ts', text: `describe('y', () => {\n${long}});` })).to.have.length(1);
  });
});
