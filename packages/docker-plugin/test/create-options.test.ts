import { expect } from 'chai';
import { parseCreateOptions, parseSize } from '../src/create-options.js';

describe('create options', () => {
  it('parts the keys of the cluster from those of the driver', () => {
    const raw = {
      server: 'a',
      'access-mode': 'single-node-writer',
      takeover: 'lease',
      size: '1.5g',
      'label.team': 'x',
      'topology.zone': 'z1',
      source: 'old@monday',
      Size: '1',
    };
    expect(parseCreateOptions(raw)).to.deep.equal({
      options: { server: 'a', Size: '1' },
      labels: { team: 'x' },
      topology: { zone: 'z1' },
      accessMode: 'single-node-writer',
      takeover: 'lease',
      sizeBytes: 1.5 * 1024 ** 3,
      source: { volume: 'old', snapshot: 'monday' },
    });
  });

  it('says nothing that was not said', () => {
    expect(parseCreateOptions({})).to.deep.equal({ options: {}, labels: {} });
    expect(parseCreateOptions({ source: 'old' })).to.deep.equal({ options: {}, labels: {}, source: { volume: 'old' } });
  });

  it('reads sizes with base 1024', () => {
    expect(['4096', '4096b', '4k', '4KiB', '4 k', '0.5m'].map((text) => (text === '4 k' ? text : parseSize(text)))).to.deep.equal([
      4096,
      4096,
      4096,
      4096,
      '4 k',
      524288,
    ]);
  });

  for (const [key, value] of [
    ['size', '4 k'],
    ['size', '0'],
    ['size', '-1'],
    ['size', '9999999p'],
    ['size', ''],
    ['access-mode', 'shared'],
    ['takeover', 'Lease'],
    ['label.', 'x'],
    ['topology.', 'x'],
  ] as const) {
    it(`refuses ${key}=${value} by name`, () => {
      expect(() => parseCreateOptions({ [key]: value })).to.throw(key.replace(/\.$/, ''));
    });
  }

  it('passes a key on that looks like a part of every object', () => {
    expect(
      Object.keys(parseCreateOptions(JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>).options ?? {}),
    ).to.deep.equal(['__proto__', 'constructor']);
  });
});
