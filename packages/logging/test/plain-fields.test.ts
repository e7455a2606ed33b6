// Method: whatever the fields, the short way and the full one show the same, in the same order.
import { expect } from 'chai';
import fc, { type Arbitrary } from 'fast-check';
import { toPlain, toPlainInFull } from '../src/plain-fields.js';

type Fields = Readonly<Record<string, unknown>>;

const WORDS = [
  'password',
  'natsPassword=',
  'token',
  'apiKey',
  'api_key=',
  'Bearer ',
  '://',
  'me:x@',
  'eyJ',
  `SU${'A'.repeat(56)}`,
  'KEY',
  '\n',
];

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.string()), { maxLength: 4 }).map((parts) => parts.join('')),
  // Around the bounds of a text, of a name, and of a line when there are many.
  fc.constantFrom(64, 65, 4_095, 4_096, 4_097).map((length) => 'x'.repeat(length)),
);

const value = fc.oneof(
  { weight: 6, arbitrary: text },
  { weight: 3, arbitrary: fc.oneof(fc.double(), fc.integer(), fc.boolean(), fc.constant(null)) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(undefined, 5n, ['a'], { b: 1 }, new Error('c'), new Date(0), Symbol('d')) },
);

const fields: Arbitrary<Fields> = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom('volume', 'uid', '__proto__', '1', 'seed', 'Cookie', ...WORDS), text), value), { maxLength: 80 })
  .map((entries) => Object.fromEntries(entries));

describe('toPlain', () => {
  const same = (each: Fields): void => {
    const [short, full] = [toPlain(each), toPlainInFull(each)];
    expect(Object.entries(short)).to.deep.equal(Object.entries(full));
    expect(JSON.stringify(short)).to.equal(JSON.stringify(full));
  };

  it('shows the same on the short way as in full', () => {
    fc.assert(fc.property(fields, same), { seed: 20_261_129, numRuns: 2_000 });
  });

  it('shows the same on the short way as in full around the bounds of a line', () => {
    const bounds = fc.oneof(
      fc.tuple(fc.integer({ min: 62, max: 66 }), fc.nat(600)), // by the number of its fields
      fc.tuple(fc.integer({ min: 7, max: 9 }), fc.integer({ min: 3_600, max: 4_096 })), // by the characters of all
    );
    const many = bounds.map(([count, length]) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${String(index)}`, 'v'.repeat(length)])),
    );
    fc.assert(fc.property(many, same), { seed: 20_261_129, numRuns: 500 });
  });

  it('takes the short way for a handful of short facts', () => {
    const usual = { volume: 'v1', uid: '018f3c1e', epoch: 3, final: true, holder: null };
    expect(toPlain(usual)).to.equal(usual);
  });
});
