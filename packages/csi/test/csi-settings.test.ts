import { expect } from 'chai';
import { CSI_SETTINGS } from '../src/csi-settings.js';

describe('csi settings', () => {
  it('read a mode in octal digits, and take nothing else for one', () => {
    const { parse } = CSI_SETTINGS.csiSocketMode;
    expect([parse('660'), parse('0660')]).to.deep.equal([0o660, 0o660]);
    for (const text of ['', '66', '0o660', '689', '6600', 'rw-']) expect(() => parse(text), text).to.throw('octal');
  });

  it('take no plugin name that CSI does not allow', () => {
    const { parse } = CSI_SETTINGS.csiName;
    expect(parse('csi.example.org')).to.equal('csi.example.org');
    for (const text of ['', '-csi', 'csi.', 'a b', 'x'.repeat(64)]) expect(() => parse(text), text).to.throw('is not a plugin name');
  });
});
