import { expect } from 'chai';
import { statusText } from '../src/status-text.js';

describe('the message of a status', () => {
  it('stays as it is up to its bound, counted as it travels', () => {
    for (const [text, escaped] of [
      ['a', 1],
      [' ', 3],
      ['é', 6],
      ['大', 9],
      ['😀', 12],
    ] as const) {
      const longest = text.repeat(Math.floor(2_048 / escaped));
      expect(statusText(longest)).to.equal(longest);
      // The ellipsis needs nine bytes itself.
      expect(statusText(longest + text)).to.equal(`${text.repeat(Math.floor((2_048 - 9) / escaped))}…`);
    }
  });

  it('is never cut inside a character, and half characters are mended', () => {
    for (let before = 0; before < 12; before += 1) {
      const text = statusText('a'.repeat(before) + '😀'.repeat(1_000));
      expect(text).to.match(/^a*(😀)+…$/u);
    }
    expect(statusText('\udc00 and \ud800')).to.equal('\ufffd and \ufffd');
  });
});
