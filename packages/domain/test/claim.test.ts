import { expect } from 'chai';
import fc from 'fast-check';
import {
  ACCESS_MODES,
  decideClaim,
  decideRaiseEpoch,
  holdersOf,
  holdersToFence,
  mayCoexist,
  type Claim,
  type ClusterView,
  type VolumeDocument,
} from '../src/index.js';
import {
  attachedOn,
  attachment,
  claim,
  committed,
  driver,
  guarded,
  node,
  nodeDocument,
  nodeUid,
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

const decide = (document: VolumeDocument | undefined, asked: Claim, view: ClusterView = threeNodes()): ReturnType<typeof decideClaim> =>
  decideClaim(document, asked, 'data', view);

describe('decideClaim', () => {
  describe('of a free volume', () => {
    it('grants, raises the epoch for a writer and tells the grant', () => {
      const { document, answer } = committed(decide(volume(), claim('n1')));
      expect(document.epoch).to.equal(6);
      expect(document.attachments[node('n1')]).to.deep.equal(attachment('n1', { seq: 20, epoch: 6, claimedFor: claim('n1').mountId }));
      expect(answer.attachment).to.equal(document.attachments[node('n1')]);
      expect(answer.takeover).to.deep.equal([]);
    });

    it('moves a single-node volume to the claimant, with a raised epoch even for a reader (rule 17)', () => {
      const { document } = committed(decide(volume(), claim('n2', { mode: 'ro' })));
      expect([document.owner, document.ownerUid, document.epoch]).to.deep.equal(['n2', nodeUid('n2'), 6]);
    });

    it('leaves the owner and, for a reader, the epoch of a multi-node volume', () => {
      const shared = volume({ spec: spec({ accessMode: 'multi-node-multi-writer' }) });
      const { document } = committed(decide(shared, claim('n2', { mode: 'ro' })));
      expect([document.owner, document.epoch]).to.deep.equal(['n1', 5]);
    });

    it('lists an owner that is moved away from amid an operation as a former one (rule 18)', () => {
      const busy = volume({ operation: { id: operationId('op'), kind: 'expand', since: '', parameters: {} } });
      const { document } = committed(decide(busy, claim('n2')));
      expect(document.formerOwners).to.deep.equal([{ node: 'n1', nodeUid: nodeUid('n1') }]);
      expect(document.operation).to.equal(undefined);
    });
  });

  describe('rule 1: keyed by uid', () => {
    it('finds no volume when another was made under the name', () => {
      const failure = refused(decide(volume(), claim('n1', { uid: volumeUid('before') })));
      expect(failure.reason).to.equal('VOLUME_NOT_FOUND');
      expect(failure.message).to.contain('another was made under its name');
    });

    it('finds no volume when there is none', () => {
      expect(refused(decide(undefined, claim('n1'))).reason).to.equal('VOLUME_NOT_FOUND');
    });
  });

  describe('rule 2: seq', () => {
    const held = volume({ attachments: attachedOn('n1') });

    it('answers the same claim again without a commit', () => {
      const decision = decide(held, claim('n1', { seq: 10 }));
      expect(decision).to.deep.equal({ type: 'unchanged', answer: { document: held, attachment: attachment('n1'), takeover: [] } });
    });

    it('refuses a claim older than the recorded one', () => {
      expect(refused(decide(held, claim('n1', { seq: 9 }))).reason).to.equal('STALE_CLAIM');
    });

    it('replaces the attachment by a newer claim of the same node', () => {
      const { document } = committed(decide(held, claim('n1', { seq: 11 })));
      expect(document.attachments[node('n1')]?.seq).to.equal(11);
      expect(document.evidence).to.deep.equal([]);
    });

    it('does not compare the seq with that of another machine that had the name: that one was declared lost (evidence D)', () => {
      const old = volume({ attachments: { [node('n1')]: attachment('n1', { nodeUid: nodeUid('old'), seq: 1_000 }) } });
      const { document, answer } = committed(decide(old, claim('n1')));
      expect(document.attachments[node('n1')]?.seq).to.equal(20);
      expect(document.evidence).to.have.length(1);
      expect(answer.takeover[0]).to.include({ kind: 'D', nodeUid: nodeUid('old'), seq: 1_000 });
    });
  });

  describe('rule 4: grant and session', () => {
    it('compares the session of the claimant in the transaction', () => {
      expect(committed(decide(volume(), claim('n2'))).requirements).to.deep.equal([sessionPresent('n2', 2)]);
    });

    it('refuses a claim of a session that is not the present one', () => {
      expect(refused(decide(volume(), claim('n1', { session: sessionId(99) }))).reason).to.equal('SESSION_LOST');
      expect(refused(decide(volume(), claim('n1'), threeNodes({ gone: ['n1'] }))).reason).to.equal('SESSION_LOST');
    });

    it('compares the session of the holder as absent in a takeover, and its guardian as running', () => {
      const held = volume({ spec: spec({ takeover: 'lease' }), attachments: attachedOn('n1') });
      const decision = committed(decide(held, claim('n2'), threeNodes({ gone: ['n1'] })));
      expect(decision.requirements).to.deep.equal([sessionPresent('n2', 2), sessionAbsent('n1'), guarded('n1')]);
    });
  });

  describe('of a volume that another node holds', () => {
    const held = volume({ attachments: attachedOn('n1') });

    it('names the holder, since when, for which mount id and what frees it', () => {
      const failure = refused(decide(held, claim('n2')));
      expect(failure.reason).to.equal('VOLUME_HELD');
      expect(failure.fields).to.include({
        holder: 'n1',
        holderMode: 'rw',
        mountIds: 'c1',
        holderState: 'in touch',
        freedBy: 'unmount it on n1',
      });
      expect(failure.message).to.contain('node n1 holds it rw').and.contain('for c1').and.contain('unmount it on n1');
    });

    for (const takeover of ['manual', 'lease', 'storage'] as const) {
      it(`is refused while the holder has a session, whatever the policy: ${takeover}`, () => {
        const document = volume({ spec: spec({ takeover }), attachments: attachedOn('n1') });
        const fence = { uid: document.uid, epoch: 5, receipt: 'refused' };
        expect(refused(decide(document, claim('n2', { fence }))).reason).to.equal('VOLUME_HELD');
      });
    }

    it('is refused under the policy manual, also when the holder is gone', () => {
      const failure = refused(decide(held, claim('n2'), threeNodes({ gone: ['n1'] })));
      expect(failure.fields).to.include({ holderState: 'gone' });
      expect(failure.fields['freedBy']).to.contain('declare it lost');
    });
  });

  describe('evidence C', () => {
    const held = volume({ spec: spec({ takeover: 'lease' }), attachments: attachedOn('n1') });

    it('takes over once the session of the holder has ended, stores it and raises the epoch', () => {
      const { document, answer } = committed(decide(held, claim('n2'), threeNodes({ gone: ['n1'] })));
      expect(Object.keys(document.attachments)).to.deep.equal(['n2']);
      expect(document.epoch).to.equal(6);
      expect(document.evidence).to.deep.equal(answer.takeover);
      expect(answer.takeover[0]).to.include({ kind: 'C', node: 'n1', seq: 10, epoch: 5, detail: 'session 1 ended' });
    });

    it('does not count when the guardian of the holder was down (rule 20)', () => {
      const failure = refused(decide(held, claim('n2'), threeNodes({ gone: ['n1'], unguarded: ['n1'] })));
      expect(failure.reason).to.equal('VOLUME_HELD');
      expect(failure.fields['freedBy']).to.contain('guardian');
    });

    it('is stopped by the brake', () => {
      const failure = refused(decide(held, claim('n2'), threeNodes({ gone: ['n1'], brake: '3 of 3 nodes were lost' })));
      expect(failure.reason).to.equal('TAKEOVER_BRAKE');
      expect(failure.message).to.contain('3 of 3 nodes were lost');
    });

    it('is not promised on a node whose guardian is down', () => {
      const free = volume({ spec: spec({ takeover: 'lease' }) });
      expect(refused(decide(free, claim('n2'), threeNodes({ unguarded: ['n2'] }))).reason).to.equal('GUARDIAN_DOWN');
      expect(decide(volume(), claim('n2'), threeNodes({ unguarded: ['n2'] })).type).to.equal('commit');
    });
  });

  describe('evidence B', () => {
    const held = volume({ spec: spec({ takeover: 'storage' }), epoch: 6, attachments: attachedOn('n1') });
    const gone = threeNodes({ gone: ['n1'] });
    const fence = { uid: held.uid, epoch: 6, receipt: 'storage refuses below 6' };

    it('takes over with the receipt of the storage, and compares the session of the holder', () => {
      const { document, requirements, answer } = committed(decide(held, claim('n2', { fence }), gone));
      expect(answer.takeover[0]).to.include({ kind: 'B', node: 'n1', detail: 'storage refuses below 6' });
      expect(document.epoch).to.equal(7);
      expect(requirements).to.deep.equal([sessionPresent('n2', 2), sessionAbsent('n1')]);
    });

    it('wants a fence when nothing else is missing', () => {
      expect(refused(decide(held, claim('n2'), gone)).reason).to.equal('VOLUME_HELD');
      const fenced = (document: VolumeDocument, view: ClusterView): readonly string[] =>
        holdersToFence(document, claim('n2'), view).map((holder) => holder.node);
      expect(fenced(held, gone)).to.deep.equal(['n1']);
      expect(fenced(held, threeNodes())).to.deep.equal([]);
      expect(fenced(held, threeNodes({ gone: ['n1'], brake: 'stopped' }))).to.deep.equal([]);
      expect(fenced(volume({ attachments: attachedOn('n1') }), gone)).to.deep.equal([]);
    });

    for (const [what, receipt] of [
      ['an epoch that does not cover the holder', { ...fence, epoch: 5 }],
      ['an epoch that was never recorded', { ...fence, epoch: 7 }],
      ['another volume under the name', { ...fence, uid: volumeUid('before') }],
    ] as const) {
      it(`does not take a receipt for ${what}`, () => {
        expect(refused(decide(held, claim('n2', { fence: receipt }), gone)).reason).to.equal('VOLUME_HELD');
      });
    }

    it('is stopped by the brake before the storage is asked, and after', () => {
      const braked = threeNodes({ gone: ['n1'], brake: 'stopped' });
      expect(refused(decide(held, claim('n2'), braked)).reason).to.equal('TAKEOVER_BRAKE');
      expect(refused(decide(held, claim('n2', { fence }), braked)).reason).to.equal('TAKEOVER_BRAKE');
    });

    it('raises the epoch in the record before the storage is fenced at it, while the holder is gone', () => {
      const { document, answer, requirements } = committed(raise(held, gone));
      expect([document.epoch, answer]).to.deep.equal([7, 7]);
      expect(requirements).to.deep.equal([sessionAbsent('n1')]);
    });

    it('does not raise it when a node that is in touch, or nobody, would be cut off', () => {
      expect(refused(raise(held, threeNodes())).reason).to.equal('CONTENTION');
      const both = { ...held, attachments: { ...held.attachments, ...attachedOn('n3') } };
      expect(refused(raise(both, gone)).reason).to.equal('CONTENTION');
      expect(refused(decideRaiseEpoch(held, [], gone)).reason).to.equal('CONTENTION');
    });

    it('fences nobody where many may write: the storage would refuse the others with the one that is gone', () => {
      const many = { ...held, spec: spec({ takeover: 'storage', accessMode: 'multi-node-multi-writer' }) };
      expect(refused(raise(many, gone)).reason).to.equal('CONTENTION');
    });

    const raise = (document: VolumeDocument, view: ClusterView): ReturnType<typeof decideRaiseEpoch> =>
      decideRaiseEpoch(document, holdersOf(document), view);
  });

  describe('evidence D', () => {
    const held = volume({ attachments: attachedOn('n1') });
    const lostNode = nodeDocument('n1', { lost: { at: '', by: 'ann: disk shot' } });
    const others = [nodeDocument('n2'), nodeDocument('n3')];
    const sessions = [sessionDocument('n2', 2), sessionDocument('n3', 3)];

    it('counts against a node that was declared lost, brake or not', () => {
      const view = viewOf({ nodes: [lostNode, ...others], sessions, brake: 'stopped' });
      const { answer, requirements } = committed(decide(held, claim('n2'), view));
      expect(answer.takeover[0]).to.include({ kind: 'D', node: 'n1', detail: 'declared lost: ann: disk shot' });
      expect(requirements).to.deep.equal([sessionPresent('n2', 2), sessionAbsent('n1')]);
    });

    it('compares the session of the machine that took the name of the lost one', () => {
      const successor = nodeDocument('n1', { uid: nodeUid('new') });
      const view = viewOf({ nodes: [successor, ...others], sessions: [sessionDocument('n1', 9, nodeUid('new')), ...sessions] });
      const { answer, requirements } = committed(decide(held, claim('n2'), view));
      expect(answer.takeover[0]).to.include({ kind: 'D', nodeUid: nodeUid('n1') });
      expect(requirements).to.deep.equal([sessionPresent('n2', 2), sessionPresent('n1', 9)]);
    });

    it('does not count while the lost node has a session', () => {
      const view = viewOf({ nodes: [lostNode, ...others], sessions: [sessionDocument('n1', 1), ...sessions] });
      expect(refused(decide(held, claim('n2'), view)).reason).to.equal('VOLUME_HELD');
    });
  });

  describe('of a node or volume that does not fit', () => {
    const cases: readonly (readonly [string, string, VolumeDocument, Claim, ClusterView])[] = [
      ['VOLUME_CREATING', 'is being created', volume({ phase: 'creating' }), claim('n1'), threeNodes()],
      ['VOLUME_REMOVING', 'is being removed', volume({ phase: 'removing' }), claim('n1'), threeNodes()],
      ['NODE_NOT_FOUND', 'has another uid', volume(), claim('n1', { nodeUid: nodeUid('other') }), threeNodes()],
      [
        'NODE_LOST',
        'was declared lost',
        volume(),
        claim('n1'),
        viewOf({ nodes: [nodeDocument('n1', { lost: { at: '', by: 'ann' } })], sessions: [sessionDocument('n1', 1)] }),
      ],
      [
        'NODE_LACKS_DRIVER',
        'runs the driver with local scope',
        volume(),
        claim('n1'),
        viewOf({ nodes: [nodeDocument('n1', { drivers: [driver('fake', { scope: 'local' })] })], sessions: [sessionDocument('n1', 1)] }),
      ],
      [
        'NODE_LACKS_DRIVER',
        'cannot keep the policy of the volume',
        volume({ spec: spec({ takeover: 'lease' }) }),
        claim('n1'),
        viewOf({
          nodes: [nodeDocument('n1', { drivers: [driver('fake', { takeover: ['manual'] })] })],
          sessions: [sessionDocument('n1', 1)],
        }),
      ],
      [
        'NODE_CORDONED',
        'is cordoned',
        volume(),
        claim('n1'),
        viewOf({ nodes: [nodeDocument('n1', { cordoned: true })], sessions: [sessionDocument('n1', 1)] }),
      ],
      ['ACCESS_MODE_REFUSED', 'only reads', volume({ spec: spec({ accessMode: 'multi-node-reader-only' }) }), claim('n1'), threeNodes()],
    ];
    for (const [reason, what, document, asked, view] of cases) {
      it(`is refused with ${reason} when it ${what}`, () => {
        expect(refused(decide(document, asked, view)).reason).to.equal(reason);
      });
    }

    it('lets a cordoned node raise a mount that it has', () => {
      const view = viewOf({ nodes: [nodeDocument('n1', { cordoned: true })], sessions: [sessionDocument('n1', 1)] });
      expect(decide(volume({ attachments: attachedOn('n1', { mode: 'ro' }) }), claim('n1'), view).type).to.equal('commit');
    });
  });

  it('never grants what may not coexist, and names a holder whenever it refuses for one', () => {
    const modes = fc.constantFrom('rw' as const, 'ro' as const);
    fc.assert(
      fc.property(fc.constantFrom(...ACCESS_MODES), modes, modes, (accessMode, held, wanted) => {
        const document = volume({ spec: spec({ accessMode }), attachments: attachedOn('n1', { mode: held }) });
        const decision = decide(document, claim('n2', { mode: wanted }));
        if (decision.type === 'commit') expect(mayCoexist(accessMode, held, wanted)).to.equal(true);
        else if (refused(decision).reason === 'VOLUME_HELD') expect(refused(decision).fields['holder']).to.equal('n1');
      }),
    );
  });
});
