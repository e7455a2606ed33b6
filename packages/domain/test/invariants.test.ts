import { expect } from 'chai';
import { checkCluster, checkDocument, checkState, LIMITS, type Evidence, type InvariantName, type VolumeDocument } from '../src/index.js';
import {
  attachedOn,
  attachment,
  node,
  nodeDocument,
  nodeUid,
  operationId,
  sessionDocument,
  spec,
  volume,
  volumeName,
  volumeUid,
} from './world.js';

const names = (violations: ReturnType<typeof checkState>): readonly InvariantName[] => violations.map(({ invariant }) => invariant);
const held = volume({ attachments: attachedOn('n1') });
const shared = spec({ accessMode: 'multi-node-multi-writer' });
const create = { id: operationId('op'), kind: 'create', since: '', parameters: {} } as const;
const evidence: Evidence = { kind: 'A', node: node('n1'), nodeUid: nodeUid('n1'), seq: 10, epoch: 5, at: '', detail: '' };

describe('checkState', () => {
  it('finds nothing wrong with what the decisions make', () => {
    expect(checkState(held)).to.deep.equal([]);
    expect(checkState(volume({ phase: 'creating', operation: create }))).to.deep.equal([]);
  });

  const wrong: readonly (readonly [string, InvariantName, Partial<VolumeDocument>])[] = [
    [
      'two writers of one',
      'one-writer',
      { spec: spec({ accessMode: 'multi-node-single-writer' }), attachments: { ...attachedOn('n1'), ...attachedOn('n2') } },
    ],
    [
      'a writer of a volume that is only read',
      'one-writer',
      { spec: spec({ accessMode: 'multi-node-reader-only' }), attachments: attachedOn('n1') },
    ],
    ['an attachment with an epoch to come', 'epochs-grow', { attachments: attachedOn('n1', { epoch: 6 }) }],
    ['a holder of a single-node volume that does not own it', 'ownership', { attachments: attachedOn('n2') }],
    ['an attachment in removal', 'phase', { phase: 'removing', operation: { ...create, kind: 'remove' }, attachments: attachedOn('n1') }],
    ['creating without its operation', 'phase', { phase: 'creating' }],
    ['removing without its operation', 'phase', { phase: 'removing' }],
    ['ready with a create in flight', 'phase', { operation: create }],
    ['too much evidence', 'bounds', { evidence: Array.from({ length: LIMITS.evidence + 1 }, () => evidence) }],
    [
      'a former owner twice',
      'ownership',
      {
        formerOwners: [
          { node: node('n2'), nodeUid: nodeUid('n2') },
          { node: node('n2'), nodeUid: nodeUid('n2') },
        ],
      },
    ],
  ];
  for (const [what, invariant, changes] of wrong) {
    it(`finds ${what}`, () => {
      expect(names(checkState(volume(changes)))).to.deep.equal([invariant]);
    });
  }
});

describe('checkDocument', () => {
  it('finds nothing wrong with a release, a grant, a newer claim and a deletion', () => {
    expect(checkDocument(held, { ...held, attachments: {}, evidence: [evidence] })).to.deep.equal([]);
    expect(checkDocument(volume(), { ...held, epoch: 6, attachments: attachedOn('n1', { epoch: 6 }) })).to.deep.equal([]);
    expect(checkDocument(held, { ...held, epoch: 6, attachments: attachedOn('n1', { epoch: 6, seq: 11 }) })).to.deep.equal([]);
    expect(checkDocument(volume(), undefined)).to.deep.equal([]);
    expect(checkDocument(undefined, undefined)).to.deep.equal([]);
  });

  const wrong: readonly (readonly [string, InvariantName, VolumeDocument | undefined, VolumeDocument | undefined])[] = [
    ['an epoch that falls', 'epochs-grow', volume(), volume({ epoch: 4 })],
    ['a new writer at the old epoch', 'epochs-grow', volume(), held],
    ['a new owner at the old epoch', 'epochs-grow', volume(), volume({ owner: node('n2'), ownerUid: nodeUid('n2') })],
    ['a removal at the old epoch', 'epochs-grow', volume(), volume({ phase: 'removing', operation: { ...create, kind: 'remove' } })],
    ['a volume that begins as ready', 'record-before-effect', undefined, volume()],
    ['an attachment that leaves without evidence', 'evidence-before-forgetting', held, volume()],
    [
      'an attachment that leaves on old evidence',
      'evidence-before-forgetting',
      { ...held, evidence: [evidence] },
      volume({ evidence: [evidence] }),
    ],
    ['a deletion under a mount', 'evidence-before-forgetting', held, undefined],
    ['evidence that is lost', 'evidence-before-forgetting', volume({ evidence: [evidence] }), volume()],
    ['an attachment that goes back in seq', 'seq', held, volume({ attachments: attachedOn('n1', { seq: 9, mode: 'ro' }) })],
    ['an attachment that changes under its seq', 'seq', held, volume({ attachments: attachedOn('n1', { mode: 'ro' }) })],
    ['a phase that goes back', 'phase', volume(), volume({ phase: 'creating', operation: create })],
    ['another driver option', 'identity', volume(), volume({ spec: spec({ options: { a: '1' } }) })],
    ['a size that shrinks', 'identity', volume({ spec: spec({ sizeBytes: 9 }) }), volume({ spec: spec({ sizeBytes: 8 }) })],
    ['a policy that changes under a mount', 'policy', held, { ...held, spec: spec({ takeover: 'lease' }) }],
  ];
  for (const [what, invariant, before, after] of wrong) {
    it(`finds ${what}`, () => {
      expect(names(checkDocument(before, after))).to.deep.equal([invariant]);
    });
  }

  it('finds a volume that was made anew in one step', () => {
    const anew = volume({ uid: volumeUid('anew'), phase: 'creating', operation: create, epoch: 1 });
    expect(names(checkDocument(volume(), anew))).to.deep.equal(['identity']);
  });
});

describe('checkCluster', () => {
  const nodes = [nodeDocument('n1'), nodeDocument('n2')];

  it('finds nothing wrong with a sound cluster', () => {
    const other = volume({ name: volumeName('more'), uid: volumeUid('more'), attachments: attachedOn('n1', { seq: 11 }) });
    expect(checkCluster({ volumes: [held, other], nodes, sessions: [sessionDocument('n1', 1)] })).to.deep.equal([]);
  });

  it('finds one uid under two names, and one claim that holds two volumes', () => {
    const twin = volume({ name: volumeName('twin'), attachments: attachedOn('n1') });
    expect(names(checkCluster({ volumes: [held, twin], nodes, sessions: [] }))).to.deep.equal(['identity', 'seq']);
  });

  it('finds holders that never registered, and documents that are wrong by themselves', () => {
    const odd = volume({ spec: shared, attachments: { ...attachedOn('n3'), [node('n1')]: attachment('n1', { epoch: 9 }) } });
    expect(names(checkCluster({ volumes: [odd], nodes, sessions: [] }))).to.deep.equal(['epochs-grow', 'nodes']);
  });

  it('finds sessions of strangers and of lost nodes', () => {
    const lost = nodeDocument('n2', { lost: { at: '', by: 'ann' } });
    const sessions = [sessionDocument('n1', 1, nodeUid('other')), sessionDocument('n2', 2)];
    expect(names(checkCluster({ volumes: [], nodes: [nodeDocument('n1'), lost], sessions }))).to.deep.equal(['nodes', 'nodes']);
  });
});
