import { expect } from 'chai';
import { decideForceRelease, decideRelease, decideReleaseGone, LIMITS, decideRemove, type Release } from '../src/index.js';
import {
  attachedOn,
  attachment,
  committed,
  guarded,
  node,
  nodeDocument,
  nodeUid,
  NOW,
  operationId,
  refused,
  sessionAbsent,
  sessionDocument,
  sessionId,
  sessionPresent,
  spec,
  threeNodes,
  viewOf,
  volume,
  volumeUid,
} from './world.js';

const held = volume({ attachments: attachedOn('n1') });

function release(changes: Partial<Release> = {}): Release {
  return { node: node('n1'), nodeUid: nodeUid('n1'), uid: held.uid, seq: 11, detail: 'last mount id gone', ...changes };
}

describe('decideRelease', () => {
  it('ends the attachment and stores the word of the node (evidence A)', () => {
    const { document, answer } = committed(decideRelease(held, release(), threeNodes()));
    expect(answer).to.deep.equal({ released: true });
    expect(document.attachments).to.deep.equal({});
    expect(document.evidence).to.deep.equal([
      { kind: 'A', node: 'n1', nodeUid: nodeUid('n1'), seq: 10, epoch: 5, at: NOW, detail: 'last mount id gone' },
    ]);
  });

  it('needs no session: a node that was cut off still says that it has unmounted', () => {
    expect(committed(decideRelease(held, release(), threeNodes({ gone: ['n1'] }))).requirements).to.deep.equal([]);
  });

  for (const [what, changes] of [
    ['an older seq: the old release does not free a live claim (rule 2)', { seq: 9 }],
    ['another uid of the volume (rule 1)', { uid: volumeUid('before') }],
    ['another machine under the name of the node', { nodeUid: nodeUid('old') }],
    ['a node that does not hold it', { node: node('n2'), nodeUid: nodeUid('n2') }],
  ] as const) {
    it(`changes nothing for ${what}`, () => {
      expect(decideRelease(held, release(changes), threeNodes())).to.deep.equal({ type: 'unchanged', answer: { released: false } });
    });
  }

  it('changes nothing when the volume is gone', () => {
    expect(decideRelease(undefined, release(), threeNodes()).type).to.equal('unchanged');
  });

  it('keeps the youngest evidence within its bound', () => {
    let document = held;
    for (let seq = 10; seq < 20; seq += 1) {
      document = { ...document, attachments: attachedOn('n1', { seq }) };
      document = committed(decideRelease(document, release({ seq }), threeNodes())).document;
    }
    expect(document.evidence.map((evidence) => evidence.seq)).to.deep.equal([12, 13, 14, 15, 16, 17, 18, 19]);
    expect(document.evidence).to.have.length(LIMITS.evidence);
  });
});

describe('decideForceRelease', () => {
  const request = { name: 'data', node: node('n1'), note: 'ann: burnt' };

  it('compares that the node has no session, raises the epoch and stores the note (rule 16)', () => {
    const { document, requirements } = committed(decideForceRelease(held, request, threeNodes({ gone: ['n1'] })));
    expect(requirements).to.deep.equal([sessionAbsent('n1')]);
    expect(document.epoch).to.equal(6);
    expect(document.evidence[0]).to.include({ kind: 'D', node: 'n1', detail: 'ann: burnt' });
  });

  it('is refused while the node is in touch: a grant in flight could still be mounted', () => {
    expect(refused(decideForceRelease(held, request, threeNodes())).reason).to.equal('NODE_ALIVE');
  });

  it('ends what a lost machine held although another one has its name and is in touch', () => {
    const view = viewOf({ nodes: [nodeDocument('n1', { uid: nodeUid('new') })], sessions: [sessionDocument('n1', 9, nodeUid('new'))] });
    expect(committed(decideForceRelease(held, request, view)).requirements).to.deep.equal([sessionPresent('n1', 9)]);
  });

  it('is done already when the node holds nothing', () => {
    expect(decideForceRelease(volume(), request, threeNodes()).type).to.equal('unchanged');
    expect(refused(decideForceRelease(undefined, request, threeNodes())).reason).to.equal('VOLUME_NOT_FOUND');
  });
});

describe('decideReleaseGone', () => {
  const request = { name: 'data', node: node('n1') };
  const underLease = volume({ spec: spec({ takeover: 'lease' }), attachments: attachedOn('n1') });
  const gone = threeNodes({ gone: ['n1'] });

  it('ends the attachment on evidence C and compares what it rests on', () => {
    const { document, requirements } = committed(decideReleaseGone(underLease, request, gone));
    expect(document.evidence[0]).to.include({ kind: 'C', node: 'n1' });
    expect(document.epoch).to.equal(6);
    expect(requirements).to.deep.equal([sessionAbsent('n1'), guarded('n1')]);
  });

  it('ends it on evidence B with the receipt of the storage', () => {
    const document = volume({ spec: spec({ takeover: 'storage' }), epoch: 6, attachments: attachedOn('n1') });
    const fence = { uid: document.uid, epoch: 6, receipt: 'r' };
    expect(refused(decideReleaseGone(document, request, gone)).reason).to.equal('VOLUME_HELD');
    expect(committed(decideReleaseGone(document, { ...request, fence }, gone)).document.evidence[0]).to.include({ kind: 'B' });
  });

  it('takes nobody’s word: under the policy manual it says what would free the volume', () => {
    const failure = refused(decideReleaseGone(held, request, gone));
    expect(failure.reason).to.equal('VOLUME_HELD');
    expect(failure.fields['freedBy']).to.contain('declare it lost');
  });

  it('is refused while the node is in touch', () => {
    expect(refused(decideReleaseGone(underLease, request, threeNodes())).fields['freedBy']).to.equal('unmount it on n1');
  });

  it('is refused with UNGUARDED when the guardian of the node was down', () => {
    expect(refused(decideReleaseGone(underLease, request, threeNodes({ gone: ['n1'], unguarded: ['n1'] }))).reason).to.equal('UNGUARDED');
  });

  it('is stopped by the brake, which does not stop evidence D', () => {
    const braked = threeNodes({ gone: ['n1'], brake: 'stopped' });
    expect(refused(decideReleaseGone(underLease, request, braked)).reason).to.equal('TAKEOVER_BRAKE');
    const lost = viewOf({ nodes: [nodeDocument('n1', { lost: { at: NOW, by: 'ann' } })], brake: 'stopped' });
    expect(committed(decideReleaseGone(underLease, request, lost)).document.evidence[0]).to.include({ kind: 'D' });
  });

  it('is done already when the node holds nothing', () => {
    expect(decideReleaseGone(volume(), request, gone).type).to.equal('unchanged');
    expect(refused(decideReleaseGone(undefined, request, gone)).reason).to.equal('VOLUME_NOT_FOUND');
  });
});

describe('a removal that needs the volume free', () => {
  const many = Array.from({ length: LIMITS.releasedAtOnce + 1 }, (_, index) => `n${String(index + 1)}`);
  const attachments = Object.fromEntries(
    many.map((name) => [node(name), attachment(name, { session: sessionId(1), mode: 'ro' })]),
  ) as typeof held.attachments; // the keys are the names of nodes
  const shared = volume({ spec: spec({ takeover: 'lease', accessMode: 'multi-node-multi-writer' }), attachments });
  const nobody = viewOf({ nodes: many.map((name) => nodeDocument(name)) });
  const remove = { name: 'data', operationId: operationId('remove') };

  it('ends what evidence C allows, and compares each holder', () => {
    const { document, requirements } = committed(decideRemove(underOne(), remove, nobody));
    expect(document).to.include({ phase: 'removing' });
    expect(requirements).to.deep.equal([sessionAbsent('n1'), guarded('n1')]);
    expect(document.evidence).to.have.length(1);
  });

  it('ends no more at once than one transaction can compare, and goes on with the next decision', () => {
    const first = committed(decideRemove(shared, remove, nobody));
    expect(first.document.phase).to.equal('ready');
    expect(first.requirements).to.have.length(2 * LIMITS.releasedAtOnce);
    expect(Object.keys(first.document.attachments)).to.have.length(1);
    expect(committed(decideRemove(first.document, remove, nobody)).document.phase).to.equal('removing');
  });

  it('ends nobody while one holder stays, and names that one', () => {
    const oneAlive = { ...nobody, session: (name: string) => (name === 'n5' ? sessionDocument('n5', 1) : undefined) };
    expect(refused(decideRemove(shared, remove, oneAlive)).fields).to.include({
      holder: 'n5',
      holderCount: '1',
      freedBy: 'unmount it on n5',
    });
  });

  it('leaves the holders alone when the brake is on', () => {
    expect(refused(decideRemove(underOne(), remove, { ...nobody, brake: 'stopped' })).reason).to.equal('VOLUME_ATTACHED');
  });

  function underOne(): typeof shared {
    return { ...shared, attachments: attachedOn('n1') };
  }
});
