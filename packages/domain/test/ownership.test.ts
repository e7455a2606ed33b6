import { expect } from 'chai';
import { decideDropLost, decideNodeLost, decideRehome, LIMITS, lossRisk, type LostNode, type VolumeDocument } from '../src/index.js';
import {
  attachedOn,
  attachment,
  committed,
  live,
  node,
  nodeDocument,
  nodeUid,
  operationId,
  refused,
  sessionAbsent,
  sessionDocument,
  sessionPresent,
  spec,
  threeNodes,
  viewOf,
  volume,
} from './world.js';

const createOp = { id: operationId('op'), kind: 'create', since: '', parameters: {} } as const;
const removeOp = { ...createOp, kind: 'remove' } as const;
const n1 = { node: node('n1'), nodeUid: nodeUid('n1') };
const n2 = { node: node('n2'), nodeUid: nodeUid('n2') };

describe('decideRehome', () => {
  it('moves a volume by request, raises the epoch and compares the session of the new owner', () => {
    const { document, requirements } = committed(decideRehome(volume(), live('n2'), 'requested', threeNodes()));
    expect(document).to.include({ owner: 'n2', epoch: 6 });
    expect(document.formerOwners).to.deep.equal([]);
    expect(requirements).to.deep.equal([sessionPresent('n2', 2)]);
  });

  it('moves the volume of a gone owner, and compares that it is gone', () => {
    const decision = committed(decideRehome(volume(), live('n2'), 'owner-gone', threeNodes({ gone: ['n1'] })));
    expect(decision.requirements).to.deep.equal([sessionPresent('n2', 2), sessionAbsent('n1')]);
  });

  it('moves the volume of a machine whose name another one has now', () => {
    const old = volume({ ownerUid: nodeUid('old') });
    const decision = committed(decideRehome(old, live('n1'), 'owner-gone', threeNodes()));
    expect(decision.document).to.include({ owner: 'n1', ownerUid: nodeUid('n1'), epoch: 6 });
    expect(decision.requirements).to.deep.equal([sessionPresent('n1', 1), sessionPresent('n1', 1)]);
  });

  it('changes nothing when the owner came back', () => {
    expect(decideRehome(volume(), live('n2'), 'owner-gone', threeNodes()).type).to.equal('unchanged');
    expect(decideRehome(volume(), live('n1'), 'requested', threeNodes()).type).to.equal('unchanged');
  });

  it('hands a pending create and a pending remove on, with the old owner listed (rules 15 and 18)', () => {
    for (const [phase, operation] of [
      ['creating', createOp],
      ['removing', { ...removeOp, ownerDone: true }],
    ] as const) {
      const { document, requirements } = committed(
        decideRehome(volume({ phase, operation }), live('n2'), 'owner-gone', threeNodes({ gone: ['n1'] })),
      );
      expect(document.operation).to.deep.equal(phase === 'creating' ? createOp : removeOp);
      expect(document.formerOwners).to.deep.equal([n1]);
      expect(requirements).to.deep.include(sessionPresent('n2', 2));
    }
  });

  it('still lists an owner as a former one when it becomes the owner again: what it began may still run (rule 18)', () => {
    const creating = volume({ phase: 'creating', operation: createOp });
    const moved = committed(decideRehome(creating, live('n2'), 'owner-gone', threeNodes({ gone: ['n1'] }))).document;
    const ready: VolumeDocument = { ...moved, phase: 'ready' };
    Reflect.deleteProperty(ready, 'operation');
    const back = committed(decideRehome(ready, live('n1'), 'requested', threeNodes())).document;
    const away = committed(decideRehome(back, live('n3'), 'requested', threeNodes())).document;
    expect(away.formerOwners).to.deep.equal([n1]);
  });

  it('leaves a single-node volume with the node that holds it', () => {
    const held = volume({ attachments: attachedOn('n1') });
    expect(refused(decideRehome(held, live('n2'), 'requested', threeNodes())).reason).to.equal('VOLUME_HELD');
    expect(refused(decideRehome(held, live('n2'), 'owner-gone', threeNodes({ gone: ['n1'] }))).reason).to.equal('VOLUME_HELD');
    const shared = { ...held, spec: spec({ accessMode: 'multi-node-multi-writer' }) };
    expect(decideRehome(shared, live('n2'), 'requested', threeNodes()).type).to.equal('commit');
  });

  it('is refused by request while an operation runs', () => {
    const busy = volume({ operation: { ...createOp, kind: 'expand' } });
    expect(refused(decideRehome(busy, live('n2'), 'requested', threeNodes())).reason).to.equal('CONTENTION');
  });

  it('lists no more former owners than the document can hold', () => {
    const formerOwners = Array.from({ length: LIMITS.formerOwners }, (_, index) => ({
      node: node('n9'),
      nodeUid: nodeUid(`f${String(index)}`),
    }));
    const busy = volume({ phase: 'creating', operation: createOp, formerOwners });
    expect(refused(decideRehome(busy, live('n2'), 'owner-gone', threeNodes({ gone: ['n1'] }))).reason).to.equal('CONTENTION');
  });
});

describe('decideDropLost', () => {
  const removing = volume({ phase: 'removing', operation: removeOp, formerOwners: [n1, n2] });

  it('keeps the debts of nodes that are merely gone', () => {
    expect(decideDropLost(removing, threeNodes({ gone: ['n1', 'n2'] })).type).to.equal('unchanged');
  });

  it('drops the debt of a lost node, and of one whose name another machine has', () => {
    const lost = viewOf({ nodes: [nodeDocument('n1', { lost: { at: '', by: 'ann' } }), nodeDocument('n2')] });
    expect(committed(decideDropLost(removing, lost)).document.formerOwners).to.deep.equal([n2]);
    const replaced = viewOf({ nodes: [nodeDocument('n1', { uid: nodeUid('new') }), nodeDocument('n2')] });
    expect(committed(decideDropLost(removing, replaced)).document.formerOwners).to.deep.equal([n2]);
  });

  it('deletes the key when that was the last thing to wait for', () => {
    const waiting = volume({ phase: 'removing', operation: { ...removeOp, ownerDone: true }, formerOwners: [n1] });
    const lost = viewOf({ nodes: [nodeDocument('n1', { lost: { at: '', by: 'ann' } })] });
    expect(decideDropLost(waiting, lost)).to.include({ type: 'commit', document: undefined });
  });
});

describe('decideNodeLost', () => {
  const lost: LostNode = { ...n1, word: 'declared lost: ann' };
  const gone = threeNodes({ gone: ['n1'] });

  it('ends the attachment, moves the ownership and drops the debt in one step, compared with the absent session', () => {
    const document = volume({ attachments: attachedOn('n1'), operation: { ...createOp, kind: 'expand' }, formerOwners: [n1] });
    const decision = committed(decideNodeLost(document, lost, live('n2'), gone));
    expect(decision.document).to.include({ owner: 'n2', epoch: 6 });
    expect(decision.document.attachments).to.deep.equal({});
    expect(decision.document.formerOwners).to.deep.equal([]);
    expect(decision.document.evidence[0]).to.include({ kind: 'D', node: 'n1', detail: 'declared lost: ann' });
    expect(decision.requirements).to.deep.equal([sessionAbsent('n1'), sessionPresent('n2', 2)]);
  });

  it('leaves the ownership when no node can take it', () => {
    const { document } = committed(decideNodeLost(volume({ attachments: attachedOn('n1') }), lost, undefined, gone));
    expect([document.owner, Object.keys(document.attachments).length]).to.deep.equal(['n1', 0]);
    expect(decideNodeLost(volume(), lost, undefined, gone).type).to.equal('unchanged');
  });

  it('takes nothing from a node that is in touch (rule 16)', () => {
    expect(refused(decideNodeLost(volume({ attachments: attachedOn('n1') }), lost, live('n2'), threeNodes())).reason).to.equal(
      'NODE_ALIVE',
    );
  });

  it('leaves alone what the machine holds that has the name now', () => {
    const view = viewOf({ nodes: [nodeDocument('n1', { uid: nodeUid('new') })], sessions: [sessionDocument('n1', 9, nodeUid('new'))] });
    const document = volume({
      spec: spec({ accessMode: 'multi-node-multi-writer' }),
      owner: node('n2'),
      ownerUid: nodeUid('n2'),
      attachments: { [node('n1')]: attachment('n1', { nodeUid: nodeUid('new') }) },
      formerOwners: [n1],
    });
    const decision = committed(decideNodeLost(document, lost, live('n2'), view));
    expect(decision.document.attachments).to.equal(document.attachments);
    expect(decision.document.formerOwners).to.deep.equal([]);
    expect(decision.requirements).to.deep.equal([sessionPresent('n1', 9)]);
  });

  it('finishes a removal that had waited for the node alone', () => {
    const waiting = volume({
      owner: node('n2'),
      ownerUid: nodeUid('n2'),
      phase: 'removing',
      operation: { ...removeOp, ownerDone: true },
      formerOwners: [n1],
    });
    expect(decideNodeLost(waiting, lost, undefined, gone)).to.include({ type: 'commit', document: undefined });
  });

  it('has nothing to do the second time', () => {
    const once = committed(decideNodeLost(volume({ attachments: attachedOn('n1') }), lost, live('n2'), gone)).document;
    expect(decideNodeLost(once, lost, live('n2'), gone).type).to.equal('unchanged');
    expect(decideNodeLost(undefined, lost, live('n2'), gone).type).to.equal('unchanged');
  });
});

describe('lossRisk', () => {
  it('tells the worst of an exclusive volume that is mounted for writing', () => {
    const risk = lossRisk(volume({ attachments: attachedOn('n1') }), n1);
    expect(risk).to.include({ name: 'data', attached: true, owned: true });
    expect(risk.risk).to.contain('two nodes write');
  });

  it('tells less of others', () => {
    const shared = spec({ accessMode: 'multi-node-multi-writer' });
    const tell = (document: VolumeDocument): string => lossRisk(document, n1).risk;
    expect(tell(volume({ attachments: attachedOn('n1'), spec: spec({ takeover: 'lease' }) }))).to.contain('aborts the mount');
    expect(tell(volume({ attachments: attachedOn('n1', { mode: 'ro' }), spec: shared }))).to.contain('mounted ro');
    expect(tell(volume({ attachments: attachedOn('n1'), spec: shared }))).to.contain('many writers');
    expect(tell(volume())).to.contain('another node becomes its owner');
    expect(tell(volume({ operation: createOp, phase: 'creating' }))).to.contain('create goes on');
    expect(tell(volume({ owner: node('n2'), ownerUid: nodeUid('n2'), formerOwners: [n1] }))).to.contain('stops waiting');
  });
});
