import { expect } from 'chai';
import fc from 'fast-check';
import {
  ACCESS_MODES,
  decideClaim,
  describeChange,
  explainLocalVolume,
  explainVolume,
  isReaderOnly,
  TAKEOVER_POLICIES,
  type Candidate,
  type ClusterView,
  type MountId,
  type NodeName,
  type VolumeDocument,
  type VolumeExplanation,
} from '../src/index.js';
import {
  attachedOn,
  attachment,
  claim,
  mountId,
  node,
  nodeDocument,
  nodeUid,
  operationId,
  sessionDocument,
  sessionId,
  spec,
  threeNodes,
  viewOf,
  volume,
} from './world.js';

interface Asked {
  readonly view?: ClusterView;
  readonly forNode?: string;
  readonly users?: Readonly<Record<string, readonly MountId[]>>;
  readonly asked?: readonly string[];
  readonly goneSince?: string;
}

function explain(
  document: VolumeDocument,
  { view = threeNodes(), forNode, users = {}, asked = [], goneSince }: Asked = {},
): Omit<VolumeExplanation, 'volume' | 'history'> {
  const candidates = ['n1', 'n2', 'n3'].map((name): Candidate => {
    const registered = view.node(node(name)) ?? nodeDocument(name);
    const session = view.session(node(name))?.session;
    return session === undefined ? { node: registered, owned: 0 } : { node: registered, owned: 0, session };
  });
  return explainVolume({
    document,
    view,
    candidates,
    nodeState: ({ node: name }) => (view.session(name) === undefined ? 'gone' : 'connected'),
    goneSince: () => goneSince,
    mountIds: (name: NodeName) => users[name],
    asked: new Set(asked.map((name) => node(name))),
    ...(forNode === undefined ? {} : { forNode: node(forNode) }),
  });
}

const held = volume({ attachments: attachedOn('n1') });

describe('explainVolume', () => {
  it('tells who holds it, since when, by which claim, and for whom', () => {
    const { summary, holders } = explain(held, { users: { n1: [mountId('c1'), mountId('c9')] } });
    expect(summary[0]).to.equal('volume data is ready, owned by n1, at epoch 5; single-node-writer, takeover manual');
    expect(summary[1]).to.contain('n1 (connected) holds it rw at epoch 5').and.contain('by its claim 10 for c1 in session 1');
    expect(summary[1]).to.contain('used now by c1, c9');
    expect(holders[0]).to.deep.include({ nodeState: 'connected', mountIds: ['c1', 'c9'], freedBy: 'unmount it on n1' });
    expect(holders[0]?.attachment).to.include({ node: 'n1', seq: 10, epoch: 5 });
  });

  it('says when nobody holds it, and when an agent was not heard', () => {
    expect(explain(volume()).summary[1]).to.equal('no node holds it');
    expect(explain(held, { asked: ['n1'] }).summary[1]).to.contain('its agent was not heard');
    expect(explain(held).summary[1]).to.contain('who used it then is in no record');
    expect(explain(held).holders[0]).not.to.have.property('mountIds');
  });

  it('tells what the nodes say that have no right to it', () => {
    const users = { n1: [mountId('c1')], n2: [] };
    const told = explain(held, { users, asked: ['n1', 'n2', 'n3'] });
    expect(told.summary.slice(2)).to.deep.equal([
      'asked now, n2 does not use it',
      'asked now, n3 (connected) did not answer; no right to it is recorded there',
    ]);
    expect(told.candidates.map(({ mountIds }) => mountIds)).to.deep.equal([['c1'], [], undefined]);
    expect(explain(volume(), { users: { n1: [], n2: [], n3: [] }, asked: ['n1', 'n2', 'n3'] }).summary).to.include(
      'asked now, n1, n2 and n3 do not use it',
    );
  });

  it('names a node that uses it without a right to it', () => {
    const text = 'n2 (connected) has it in use for c9 without a right to it, and ends that mount as soon as it hears so';
    const users = { n2: [mountId('c9')] };
    expect(explain(held, { users, asked: ['n2'] }).summary).to.include(text);
    expect(explain(held, { users, asked: ['n2'], view: threeNodes({ gone: ['n2'] }) }).summary).to.include(
      'n2 (gone) has it in use for c9 without a right to it, and may write: stop the node, or cut its storage off',
    );
    // The record changed while the node was asked: it may have got its right since.
    expect(explain(held, { users }).summary).not.to.include(text);
  });

  it('asks the machine that has the name now about the hold of the one before', () => {
    const before = volume({ attachments: { [node('n1')]: attachment('n1', { nodeUid: nodeUid('old') }) } });
    expect(explain(before, { users: { n1: [] }, asked: ['n1'] }).summary).to.include('asked now, n1 does not use it');
  });

  it('says since when a holder and an owner are gone, where that is known', () => {
    const [state, holder] = explain(held, { view: threeNodes({ gone: ['n1'] }), goneSince: 'noon' }).summary;
    expect(state).to.contain('owned by n1 (gone since noon), at epoch 5');
    expect(holder).to.match(/^n1 \(gone since noon\) holds it rw/);
    expect(explain(held, { view: threeNodes({ gone: ['n1'] }) }).summary[0]).to.contain('owned by n1 (gone), at');
  });

  it('says that the guardian of a holder does not run, where evidence rests on it', () => {
    const leased = { ...held, spec: spec({ takeover: 'lease' }) };
    const text = 'the guardian of n1 does not run at the moment: should n1 go now, the end of its session is no evidence';
    expect(explain(leased, { view: threeNodes({ unguarded: ['n1', 'n2'] }) }).summary).to.include(text);
    expect(explain(leased, { view: threeNodes({ unguarded: ['n2'] }) }).summary).not.to.include(text);
    expect(explain(held, { view: threeNodes({ unguarded: ['n1'] }) }).summary).not.to.include(text);
  });

  it('names former owners for whom a removal will wait', () => {
    const formerOwners = [{ node: node('n3'), nodeUid: nodeUid('n3') }];
    expect(explain(volume({ formerOwners }), { view: threeNodes({ gone: ['n3'] }) }).summary).to.include(
      'a removal will wait for n3 (gone) as well: it owned the volume while an operation was in flight',
    );
  });

  it('keeps the summary of many holders short', () => {
    const attachments = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`n${String(index)}`, attachment('n1', { mode: 'ro' })]),
    );
    const { summary, holders } = explain(volume({ spec: spec({ accessMode: 'multi-node-reader-only' }), attachments }));
    expect(summary.filter((text) => text.includes('holds it'))).to.have.length(16);
    expect(summary).to.include('and 4 more nodes');
    expect(holders).to.have.length(20);
  });

  it('tells the evidence on which the last attachment ended', () => {
    const evidence = [{ kind: 'D', node: node('n3'), nodeUid: nodeUid('n3'), seq: 1, epoch: 4, at: 'noon', detail: 'ann: burnt' } as const];
    const told = explain(volume({ evidence }));
    expect(told.evidence).to.equal(evidence);
    expect(told.summary).to.include('the last attachment that ended was that of n3, on evidence D at noon: ann: burnt');
  });

  it('says on what evidence C rests, for volumes that count on it', () => {
    expect(explain(volume({ spec: spec({ takeover: 'lease' }) })).summary.at(-1)).to.contain('evidence C rests on this');
    expect(explain(volume()).summary.join()).not.to.contain('rests on');
  });

  it('tells each node as a possible owner, passed or why not', () => {
    const { candidates } = explain(volume(), { view: threeNodes({ gone: ['n2'] }) });
    expect(candidates.map(({ node: name, passed, reason }) => `${name} ${String(passed)} ${reason}`)).to.deep.equal([
      'n1 true owns 0 volumes',
      'n2 false no session: the node is not in touch',
      'n3 true owns 0 volumes',
    ]);
  });

  describe('of an operation in flight', () => {
    const removing = volume({
      phase: 'removing',
      operation: { id: operationId('op'), kind: 'remove', since: 'noon', parameters: {}, cause: 'no room' },
      formerOwners: [{ node: node('n3'), nodeUid: nodeUid('n3') }],
    });

    it('names each node whose answer it waits for, and why it began', () => {
      const { waitsFor, summary } = explain(removing, { view: threeNodes({ gone: ['n3'] }) });
      expect(waitsFor).to.equal(
        'remove since noon, because its creation failed: no room; the answer of n1 (in touch), n3 (gone, until it is back or declared lost)',
      );
      expect(summary).to.include(`it waits: ${waitsFor ?? ''}`);
    });

    it('says that a gone owner is replaced and a lost node no longer waited for', () => {
      expect(explain(removing, { view: threeNodes({ gone: ['n1'] }) }).waitsFor).to.contain('n1 (gone, another node gets the work');
      const lost = viewOf({ nodes: [nodeDocument('n3', { lost: { at: '', by: 'ann' } })] });
      expect(explain(removing, { view: lost }).waitsFor).to.contain('n3 (lost, no longer waited for');
    });

    it('waits for nothing without one', () => {
      expect(explain(volume())).not.to.have.property('waitsFor');
    });
  });

  describe('for a node', () => {
    const cases: readonly (readonly [string, VolumeDocument, Asked, string | undefined, string])[] = [
      ['a free volume', volume(), { forNode: 'n2' }, undefined, 'a mount rw on n2 would be granted at epoch 6'],
      ['the holder', held, { forNode: 'n1' }, undefined, 'would join the one that is there'],
      ['another node', held, { forNode: 'n2' }, 'VOLUME_HELD', 'node n1 holds it rw'],
      ['a node that is gone', volume(), { forNode: 'n2', view: threeNodes({ gone: ['n2'] }) }, 'NODE_UNAVAILABLE', 'has no session'],
      [
        'a node that was declared lost',
        volume(),
        { forNode: 'n2', view: viewOf({ nodes: [nodeDocument('n2', { lost: { at: '', by: 'ann: burnt' } })] }) },
        'NODE_LOST',
        'n2 was declared lost by ann: burnt',
      ],
      ['a stranger', volume(), { forNode: 'n9' }, 'NODE_NOT_FOUND', 'has never registered'],
      ['a volume in removal', volume({ phase: 'removing' }), { forNode: 'n2' }, 'VOLUME_REMOVING', 'is being removed'],
      [
        'a takeover on evidence C',
        { ...held, spec: spec({ takeover: 'lease' }) },
        { forNode: 'n2', view: threeNodes({ gone: ['n1'] }) },
        undefined,
        'granted at epoch 6, taken over from n1 on evidence C',
      ],
      [
        'a takeover that the storage has to allow',
        { ...held, spec: spec({ takeover: 'storage' }) },
        { forNode: 'n2', view: threeNodes({ gone: ['n1'] }) },
        undefined,
        'once the storage has refused n1 (evidence B)',
      ],
      [
        'a takeover under the brake',
        { ...held, spec: spec({ takeover: 'lease' }) },
        { forNode: 'n2', view: threeNodes({ gone: ['n1'], brake: 'too many' }) },
        'TAKEOVER_BRAKE',
        'too many',
      ],
      [
        'a volume that is only read',
        volume({ spec: spec({ accessMode: 'multi-node-reader-only' }) }),
        { forNode: 'n2' },
        undefined,
        'a mount ro on n2',
      ],
    ];
    for (const [what, document, asked, reason, text] of cases) {
      it(`tells the answer for ${what}`, () => {
        const { refusal, summary } = explain(document, asked);
        expect(refusal?.reason).to.equal(reason);
        expect(summary.find((line) => line.startsWith('a mount'))).to.contain(text);
        if (refusal !== undefined) expect(refusal.freedBy).not.to.equal('');
      });
    }

    it('never tells another answer than the decision gives', () => {
      const anyCase = fc.record({
        accessMode: fc.constantFrom(...ACCESS_MODES),
        takeover: fc.constantFrom(...TAKEOVER_POLICIES),
        mode: fc.constantFrom('rw' as const, 'ro' as const),
        gone: fc.subarray(['n1', 'n3']),
        unguarded: fc.subarray(['n1', 'n2']),
        braked: fc.boolean(),
        cordoned: fc.boolean(),
      });
      fc.assert(
        fc.property(anyCase, ({ accessMode, takeover, mode, gone, unguarded, braked, cordoned }) => {
          const document = volume({ spec: spec({ accessMode, takeover }), attachments: attachedOn('n1', { mode }) });
          const nodes = ['n1', 'n2', 'n3'].map((name) => nodeDocument(name, { cordoned: cordoned && name === 'n2' }));
          const sessions = ['n1', 'n2', 'n3']
            .filter((name) => !gone.includes(name))
            .map((name) => sessionDocument(name, Number(name.slice(1))));
          const view = viewOf({ nodes, sessions, unguarded, ...(braked ? { brake: 'stopped' } : {}) });
          const { refusal, summary } = explain(document, { view, forNode: 'n2' });
          const wanted = claim('n2', { mode: isReaderOnly(accessMode) ? 'ro' : 'rw', session: sessionId(2) });
          const decision = decideClaim(document, wanted, 'data', view);
          if (refusal !== undefined) expect(decision).to.deep.include({ type: 'refuse' });
          else if (decision.type === 'refuse') expect(summary.join()).to.contain('evidence B');
        }),
      );
    });
  });
});

describe('explainLocalVolume', () => {
  const local = {
    name: volume().name,
    uid: volume().uid,
    driver: spec().driver,
    scope: 'local',
    options: {},
    labels: {},
    accessMode: 'single-node-writer',
    takeover: 'manual',
    createdAt: '',
    phase: 'ready',
    node: node('n1'),
    epoch: 0,
    generation: 0,
    attachments: [],
  } as const;

  it('tells its node, its users, and what is not done yet', () => {
    expect(explainLocalVolume({ ...local, mountIds: [mountId('c1'), mountId('c2')] }).summary).to.deep.equal([
      'volume data is a local volume of node n1: it lives there only, and the node alone decides about it',
      'used now by c1, c2',
    ]);
    expect(explainLocalVolume({ ...local, phase: 'removing' }).summary.slice(1)).to.deep.equal([
      'nobody uses it now',
      'it is removing: node n1 goes on with that by itself, as soon as its driver can end it',
    ]);
  });
});

describe('describeChange', () => {
  const tell = (after: Partial<VolumeDocument>, before: VolumeDocument = held): string => describeChange(before, { ...before, ...after });

  it('tells a grant, a takeover and a release', () => {
    expect(tell({ attachments: attachedOn('n2', { epoch: 6 }), epoch: 6 }, volume())).to.equal(
      'granted rw to n2 for c1 at epoch 6; epoch 5 became 6',
    );
    const { nodeUid: uid, seq, epoch } = attachment('n1');
    const evidence = [{ kind: 'C', node: node('n1'), nodeUid: uid, seq, epoch, at: '', detail: 'session 1 ended' } as const];
    expect(tell({ attachments: attachedOn('n2', { epoch: 6 }), epoch: 6, evidence, owner: node('n2'), ownerUid: nodeUid('n2') })).to.equal(
      'attachment of n1 ended on evidence C: session 1 ended; granted rw to n2 for c1 at epoch 6; owner n1 became n2; epoch 5 became 6',
    );
    expect(tell({ attachments: {} })).to.equal('attachment of n1 ended without stored evidence');
    expect(tell({ attachments: attachedOn('n1', { seq: 11 }) })).to.equal('granted anew rw to n1 for c1 at epoch 5');
  });

  it('tells the life of a volume and its operations', () => {
    const operation = { id: operationId('op'), kind: 'create', since: '', parameters: {} } as const;
    const creating = volume({ phase: 'creating', operation, epoch: 1 });
    expect(describeChange(undefined, creating)).to.equal('recorded as creating, owned by n1, at epoch 1');
    expect(describeChange(creating, { ...volume(), epoch: 1 })).to.equal('creating became ready; create ended');
    const removing = volume({ phase: 'removing', operation: { ...operation, kind: 'remove', cause: 'no room' } });
    expect(describeChange(volume(), removing)).to.equal('ready became removing because no room; remove began');
    const former = { ...removing, formerOwners: [{ node: node('n3'), nodeUid: nodeUid('n3') }] };
    const answered = { ...removing, operation: { ...operation, kind: 'remove' as const, ownerDone: true } };
    expect(describeChange(former, answered)).to.equal('n1 has removed its part; former owner n3 owes nothing any more');
    expect(describeChange(answered, undefined)).to.equal('the record was deleted');
  });

  it('tells settings, and when nothing changed', () => {
    expect(tell({ spec: spec({ labels: { a: '1' }, takeover: 'lease', sizeBytes: 9 }) })).to.equal(
      'takeover policy manual became lease; size became 9; labels changed: a',
    );
    expect(tell({ snapshots: { monday: { createdAt: '', sizeBytes: 1, ready: true } } })).to.equal('snapshot monday was made');
    expect(tell({})).to.equal('written again without a change');
  });
});
