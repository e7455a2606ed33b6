import { expect } from 'chai';
import fc from 'fast-check';
import { identityDifference, maskedOption } from '../src/index.js';
import { spec } from './world.js';

describe('identityDifference', () => {
  it('is empty for the same driver, options, access mode and size, whatever the labels and the policy', () => {
    const one = spec({ options: { a: '1', b: '2' }, labels: { x: 'y' } });
    const other = spec({ options: { b: '2', a: '1' }, takeover: 'lease' });
    expect(identityDifference(one, other)).to.deep.equal([]);
  });

  it('never shows a secret, wherever in the options it stands', () => {
    const secret = fc
      .array(fc.constantFrom('a', 'b', 'X', 'Z', '0', '9'), { minLength: 8, maxLength: 30 })
      .map((parts) => `hush${parts.join('')}`);
    const place = fc.constantFrom<(secret: string) => readonly [string, string]>(
      (text) => ['password', text],
      (text) => ['S3_SECRET_KEY', text],
      (text) => ['apiToken', text],
      (text) => ['o', `addr=10.0.0.1,username=me,password=${text},vers=3`],
      (text) => ['o', `name=admin,secret=${text}`],
      (text) => ['mountOptions', `passwd=${text} rw`],
      (text) => ['device', `//me:${text}@server/share`],
      (text) => ['url', `https://me:${text}@host/path?access_key=${text}&x=1`],
    );
    fc.assert(
      fc.property(secret, secret, place, (one, other, put) => {
        const [key, present] = put(one);
        const [, asked] = put(other);
        const text = identityDifference(spec({ options: { [key]: present } }), spec({ options: { [key]: asked } })).join('; ');
        expect(text).not.to.contain(one).and.not.to.contain(other);
        if (one !== other) expect(text).to.contain(`option ${key} is`);
      }),
    );
  });

  it('shows what is no secret', () => {
    expect(maskedOption('o', 'addr=10.0.0.1,password=x,vers=3')).to.equal('addr=10.0.0.1,password=***,vers=3');
    expect(maskedOption('device', ':/export/data')).to.equal(':/export/data');
  });
});
