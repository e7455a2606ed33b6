import { expect } from 'chai';
import { parseSizeBytes } from '../src/size-option.js';

describe('size option', () => {
  it('reads sizes as moby does', () => {
    expect(parseSizeBytes('4096')).to.equal(4096);
    expect(parseSizeBytes('10k')).to.equal(10_240);
    expect(parseSizeBytes('1.5GiB')).to.equal(1.5 * 1024 ** 3);
    expect(parseSizeBytes('2 MB')).to.equal(2 * 1024 ** 2);
    expect(parseSizeBytes('1T')).to.equal(1024 ** 4);
    expect(parseSizeBytes('0')).to.equal(0);
  });

  it('takes nothing else', () => {
    for (const text of ['', '-1', 'g', '1x', '1 2', '1e9', '9999999p', '1.', ' ']) expect(parseSizeBytes(text), text).to.equal(undefined);
  });
});
