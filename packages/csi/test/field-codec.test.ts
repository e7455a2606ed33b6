import { expect } from 'chai';
import { AppError, type Reason } from '@volplane/base';
import { canonicalJson, parseSizeRange, requireMap, requireName, toTimestamp } from '../src/field-codec.js';
import { parseChanges, parseParameters } from '../src/parameters.js';
import { CsiError, toCsiStatus, type CsiCode } from '../src/status.js';

describe('fields', () => {
  it('take a name of exactly 128 bytes and none of 129', () => {
    expect(requireName('a'.repeat(128), 'name')).to.have.length(128);
    expect(() => requireName('a'.repeat(129), 'name')).to.throw(CsiError, '129 bytes');
  });

  it('take tabs and line ends in names, and no other control characters', () => {
    expect(requireName('a\tb\nc\rd', 'name')).to.equal('a\tb\nc\rd');
    for (const character of ['\u0000', '\u0008', '\u000b', '\u001f', '\u007f', '\u009f']) {
      expect(() => requireName(`a${character}`, 'name'), JSON.stringify(character)).to.throw(CsiError);
    }
  });

  it('bound maps to 4 KiB in all', () => {
    expect(() => requireMap({ a: 'x'.repeat(4096) }, 'parameters')).to.throw(CsiError, 'parameters has 4097 bytes');
  });

  it('read a capacity range of {0, 0} as none', () => {
    expect(parseSizeRange({ required_bytes: '0', limit_bytes: '0' })).to.deep.equal({});
    expect(parseSizeRange(null)).to.deep.equal({});
  });

  it('refuse capacity ranges that cannot be', () => {
    const code = (required_bytes: string, limit_bytes: string): unknown => {
      try {
        return parseSizeRange({ required_bytes, limit_bytes });
      } catch (error) {
        return error instanceof CsiError ? error.code : error;
      }
    };
    expect(code('2', '1')).to.equal('INVALID_ARGUMENT');
    expect(code('-1', '0')).to.equal('INVALID_ARGUMENT');
    expect(code('0', '-1')).to.equal('INVALID_ARGUMENT');
    expect(code('9223372036854775807', '0')).to.equal('OUT_OF_RANGE');
  });

  it('tell times before and after 1970 to the millisecond', () => {
    expect(toTimestamp('2026-01-02T03:04:05.678Z')).to.deep.equal({ seconds: '1767323045', nanos: 678_000_000 });
    expect(toTimestamp('1969-12-31T23:59:59.250Z')).to.deep.equal({ seconds: '-1', nanos: 250_000_000 });
  });

  it('compare messages by what they say, not by the order of keys', () => {
    expect(canonicalJson({ b: 1, a: { d: [2], c: 3 } })).to.equal(canonicalJson({ a: { c: 3, d: [2] }, b: 1 }));
  });
});

describe('parameters', () => {
  it('are sorted into driver, policy, labels, topology and options', () => {
    const parsed = parseParameters({
      driver: 'x',
      takeover: 'lease',
      'label/tier': 'gold',
      'topology/zone': 'a',
      'csi.storage.k8s.io/pv/name': 'p',
      fs: 'xfs',
    });
    expect(parsed).to.deep.equal({
      driver: 'x',
      takeover: 'lease',
      labels: { tier: 'gold', 'csi.storage.k8s.io/pv/name': 'p' },
      topology: { zone: 'a' },
      options: { fs: 'xfs' },
    });
  });

  it('cannot forge what the plugin itself remembers in labels', () => {
    expect(() => parseParameters({ 'label/volplane.csi/source': 'volume x' })).to.throw(CsiError, 'written by the plugin itself');
    expect(() => parseChanges({ 'label/volplane.csi/name': 'x' })).to.throw(CsiError);
  });

  it('that cannot be changed refuse the whole change', () => {
    expect(() => parseChanges({ 'label/tier': 'gold', fs: 'xfs' })).to.throw(CsiError, 'parameter fs cannot be changed');
    expect(() => parseChanges({ takeover: 'never' })).to.throw(CsiError, 'takeover is never');
  });
});

describe('status', () => {
  const cases: readonly (readonly [Reason, CsiCode])[] = [
    ['UNKNOWN_OUTCOME', 'UNAVAILABLE'],
    ['DEADLINE_EXCEEDED', 'UNAVAILABLE'],
    ['CANCELLED', 'UNAVAILABLE'],
    ['NO_MANAGER', 'UNAVAILABLE'],
    ['STORE_UNAVAILABLE', 'UNAVAILABLE'],
    ['OVERLOADED', 'UNAVAILABLE'],
    ['CONTENTION', 'ABORTED'],
    ['VOLUME_REMOVING', 'ABORTED'],
    ['PAGE_TOKEN_INVALID', 'ABORTED'],
    ['VOLUME_HELD', 'FAILED_PRECONDITION'],
    ['VOLUME_CONFLICT', 'ALREADY_EXISTS'],
    ['NO_CAPACITY', 'RESOURCE_EXHAUSTED'],
    ['CAPABILITY_MISSING', 'INVALID_ARGUMENT'],
    ['INVALID_OPTION', 'INVALID_ARGUMENT'],
    ['VOLUME_NOT_FOUND', 'NOT_FOUND'],
  ];
  for (const [reason, code] of cases) {
    it(`of ${reason} is ${code}`, () => {
      expect(toCsiStatus(new AppError(reason, 'because')).code).to.equal(code);
    });
  }

  it('of a fault is INTERNAL and hides its text', () => {
    const status = toCsiStatus(new Error('password=hunter2 at /srv/x.ts:1'));
    expect(status.code).to.equal('INTERNAL');
    expect(status.message).to.not.contain('hunter2');
  });

  it('stays short, whatever the message', () => {
    expect(toCsiStatus(new CsiError('NOT_FOUND', 'x'.repeat(100_000))).message.length).to.be.below(1_100);
  });
});
