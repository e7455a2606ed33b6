import { AppError } from '@volplane/base';
import { expect } from 'chai';
import fc from 'fast-check';
import { isNodeName, isVolumeName, parseDriverName, parseMountId, parseNodeName, parseVolumeName, quote } from '../src/index.js';

function reason(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.reason;
    throw error;
  }
  return 'none';
}

describe('names', () => {
  for (const name of ['ab', 'A9', 'my-volume_1.old', 'x'.repeat(128)]) {
    it(`takes ${name.slice(0, 20)} for a volume`, () => {
      expect(parseVolumeName(name)).to.equal(name);
    });
  }

  for (const [what, name] of [
    ['nothing', ''],
    ['one character', 'a'],
    ['129 characters', 'x'.repeat(129)],
    ['a path', '/data'],
    ['a slash inside', 'a/b'],
    ['a leading dot', '.hidden'],
    ['a blank', 'a b'],
    ['a letter that only looks like one', 'dаta'],
    ['a line break at the end', 'data\n'],
    ['parent folders', '..'],
  ] as const) {
    it(`refuses ${what} for a volume`, () => {
      expect(reason(() => parseVolumeName(name))).to.equal('INVALID_NAME');
      expect(isVolumeName(name)).to.equal(false);
    });
  }

  it('takes and refuses names of nodes', () => {
    for (const name of ['n', 'n1', 'node-1.rack.example', 'x'.repeat(63)]) expect(parseNodeName(name)).to.equal(name);
    for (const name of ['', 'N1', '-n', 'n-', '.n', 'a_b', 'x'.repeat(64), 'n1\n', 'a>b', 'a*']) {
      expect(reason(() => parseNodeName(name))).to.equal('INVALID_NAME');
    }
  });

  it('takes and refuses names of drivers and mount ids', () => {
    expect(parseDriverName('ext4-loop')).to.equal('ext4-loop');
    expect(reason(() => parseDriverName('Ext4'))).to.equal('INVALID_NAME');
    expect(parseMountId('c'.repeat(256))).to.have.length(256);
    for (const id of ['', 'a b', 'ü', 'c'.repeat(257)]) expect(reason(() => parseMountId(id))).to.equal('INVALID_ARGUMENT');
  });

  it('never lets a name reach into another key or subject', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        if (isVolumeName(text)) expect(text).to.match(/^[\w.-]+$/);
        if (isNodeName(text)) expect(text.replaceAll('.', '_')).to.match(/^[\w-]+$/);
      }),
    );
  });

  it('shows the text of a stranger with escapes and bounded', () => {
    expect(quote('a\u202eb\n')).to.equal('"a\\u202eb\\n"');
    expect(quote('x'.repeat(500)).length).to.be.lessThan(100);
  });
});
