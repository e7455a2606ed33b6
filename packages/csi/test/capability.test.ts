import { expect } from 'chai';
import { ACCESS_MODES } from '@volplane/domain';
import {
  allowsMode,
  chooseAccessMode,
  CSI_MODES,
  mountModeOf,
  parseCapabilities,
  parseCapability,
  type CsiMode,
} from '../src/capability.js';

describe('access modes', () => {
  const cases: readonly (readonly [readonly CsiMode[], string])[] = [
    [['SINGLE_NODE_WRITER'], 'single-node-writer'],
    [['SINGLE_NODE_SINGLE_WRITER'], 'single-node-writer'],
    [['SINGLE_NODE_MULTI_WRITER'], 'single-node-writer'],
    [['SINGLE_NODE_READER_ONLY'], 'single-node-reader-only'],
    [['MULTI_NODE_READER_ONLY'], 'multi-node-reader-only'],
    [['MULTI_NODE_SINGLE_WRITER'], 'multi-node-single-writer'],
    [['MULTI_NODE_MULTI_WRITER'], 'multi-node-multi-writer'],
    [['SINGLE_NODE_WRITER', 'MULTI_NODE_READER_ONLY'], 'multi-node-single-writer'],
    [['SINGLE_NODE_READER_ONLY', 'SINGLE_NODE_WRITER'], 'single-node-writer'],
    [['SINGLE_NODE_WRITER', 'MULTI_NODE_MULTI_WRITER'], 'multi-node-multi-writer'],
  ];
  for (const [wanted, chosen] of cases) {
    it(`of ${wanted.join(' and ')} are kept as ${chosen}`, () => {
      expect(chooseAccessMode(wanted, ACCESS_MODES)).to.equal(chosen);
    });
  }

  it('are never wider than the driver keeps', () => {
    expect(chooseAccessMode(['MULTI_NODE_MULTI_WRITER'], ['single-node-writer'])).to.equal(undefined);
  });

  it('of one writer never allow many', () => {
    expect(allowsMode('single-node-writer', 'MULTI_NODE_MULTI_WRITER')).to.equal(false);
    expect(allowsMode('multi-node-single-writer', 'MULTI_NODE_MULTI_WRITER')).to.equal(false);
    expect(allowsMode('multi-node-reader-only', 'SINGLE_NODE_WRITER')).to.equal(false);
  });

  it('that only read are mounted read-only, as is what the caller wants read-only', () => {
    const read = parseCapability({ access_type: 'mount', mount: {}, access_mode: { mode: CSI_MODES.MULTI_NODE_READER_ONLY } });
    const write = parseCapability({ access_type: 'mount', mount: {}, access_mode: { mode: CSI_MODES.SINGLE_NODE_WRITER } });
    const flag = { ...write, mountFlags: ['ro'] };
    expect(mountModeOf(read, 'multi-node-multi-writer', false)).to.equal('ro');
    expect(mountModeOf(write, 'single-node-writer', true)).to.equal('ro');
    expect(mountModeOf(flag, 'single-node-writer', false)).to.equal('ro');
    expect(mountModeOf(write, 'single-node-writer', false)).to.equal('rw');
  });
});

describe('capabilities', () => {
  const bad: readonly (readonly [string, Parameters<typeof parseCapability>[0]])[] = [
    ['missing', null],
    ['without an access mode', { access_type: 'mount', mount: {}, access_mode: null }],
    ['of an unknown access mode', { access_type: 'mount', mount: {}, access_mode: { mode: 99 } }],
    ['of access mode UNKNOWN', { access_type: 'mount', mount: {}, access_mode: { mode: 0 } }],
    ['that are neither block nor mount', { access_mode: { mode: 1 } }],
  ];
  for (const [what, wire] of bad) {
    it(`${what} are refused`, () => {
      expect(() => parseCapability(wire))
        .to.throw()
        .with.property('code', 'INVALID_ARGUMENT');
    });
  }

  it('are required where a list of them is', () => {
    expect(() => parseCapabilities([]))
      .to.throw()
      .with.property('code', 'INVALID_ARGUMENT');
  });
});
