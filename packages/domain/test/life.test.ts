import { AppError } from '@volplane/base';
import { expect } from 'chai';
import {
  decideAnswer,
  decideBegin,
  decideCreate,
  decideForget,
  decideRemove,
  pendingCommands,
  type Create,
  type Operation,
  type OperationAnswer,
  type VolumeDocument,
} from '../src/index.js';
import {
  attachedOn,
  committed,
  live,
  nodeUid,
  operationId,
  refused,
  sessionPresent,
  spec,
  threeNodes,
  volume,
  volumeName,
  volumeUid,
} from './world.js';

const rollback = operationId('rollback');
const operation = (kind: Operation['kind'], changes: Partial<Operation> = {}): Operation => ({
  id: operationId('op'),
  kind,
  since: '',
  parameters: {},
  ...changes,
});
const former = (name: string): { readonly node: ReturnType<typeof live>['node']; readonly nodeUid: ReturnType<typeof nodeUid> } => ({
  node: live(name).node,
  nodeUid: nodeUid(name),
});
const creating = volume({ phase: 'creating', epoch: 1, operation: operation('create') });
const removing = volume({ phase: 'removing', epoch: 6, operation: operation('remove') });

function done(name: string, epoch: number, changes: Partial<OperationAnswer> = {}): OperationAnswer {
  return {
    uid: volumeUid('data'),
    operationId: operationId('op'),
    nodeUid: nodeUid(name),
    epoch,
    result: { type: 'done', facts: {} },
    ...changes,
  };
}

function failed(name: string, epoch: number): OperationAnswer {
  return done(name, epoch, { result: { type: 'failed', failure: new AppError('NO_CAPACITY', 'the disk is full').failure } });
}

describe('decideCreate', () => {
  const create: Create = {
    name: volumeName('data'),
    uid: volumeUid('data'),
    operationId: operationId('op'),
    spec: spec({ options: { type: 'ext4' } }),
    owner: live('n1'),
    parameters: {},
  };

  it('records the intent before any effect, for an owner that is compared as alive', () => {
    const { document, requirements } = committed(decideCreate(undefined, create, threeNodes()));
    expect(document).to.include({ phase: 'creating', epoch: 1, owner: 'n1' });
    expect(document.operation).to.include({ kind: 'create', id: operationId('op') });
    expect(requirements).to.deep.equal([sessionPresent('n1', 1)]);
    expect(pendingCommands(document)).to.have.length(1);
  });

  it('joins the same identity, also while it is created, and leaves its uid and labels', () => {
    const present = { ...creating, spec: create.spec };
    const again: Create = { ...create, uid: volumeUid('other'), spec: { ...create.spec, labels: { a: 'b' } } };
    expect(decideCreate(present, again, threeNodes())).to.deep.equal({ type: 'unchanged', answer: present });
  });

  it('is a conflict for another identity, and shows the whole difference (invariant 9)', () => {
    const present = volume({ spec: spec({ options: { type: 'xfs', path: '/a' }, sizeBytes: 5, accessMode: 'multi-node-multi-writer' }) });
    const failure = refused(decideCreate(present, create, threeNodes()));
    expect(failure.reason).to.equal('VOLUME_CONFLICT');
    expect(failure.fields['difference']).to.equal(
      'option path is "/a", asked for none; option type is "xfs", asked for "ext4"; ' +
        'access mode is multi-node-multi-writer, asked for single-node-writer; size is 5, asked for none',
    );
  });

  it('waits for a removal, whatever identity it had', () => {
    const failure = refused(decideCreate({ ...removing, spec: spec({ options: { type: 'zfs' } }) }, create, threeNodes()));
    expect(failure.reason).to.equal('VOLUME_REMOVING');
  });
});

describe('decideAnswer', () => {
  it('makes a created volume ready (rule 17)', () => {
    const { document } = committed(decideAnswer(creating, done('n1', 1), rollback, threeNodes()));
    expect(document.phase).to.equal('ready');
    expect(document.operation).to.equal(undefined);
  });

  for (const [what, answer] of [
    ['an older epoch', done('n1', 0)],
    ['a newer epoch', done('n1', 2)],
    ['another operation', done('n1', 1, { operationId: operationId('late') })],
    ['another volume of the name (rule 1)', done('n1', 1, { uid: volumeUid('before') })],
    ['another node than the owner', done('n2', 1)],
    ['the failure of another node than the owner', failed('n2', 1)],
  ] as const) {
    it(`takes no answer of ${what}`, () => {
      expect(decideAnswer(creating, answer, rollback, threeNodes()).type).to.equal('unchanged');
    });
  }

  it('does not take the late answer of an owner from before a re-homing (rule 17, 6 steps)', () => {
    const rehomed = { ...creating, owner: live('n2').node, ownerUid: nodeUid('n2'), epoch: 2, formerOwners: [former('n1')] };
    expect(decideAnswer(rehomed, done('n1', 1), rollback, threeNodes()).type).to.equal('unchanged');
    expect(decideAnswer(rehomed, done('n1', 2), rollback, threeNodes()).type).to.equal('unchanged');
    expect(committed(decideAnswer(rehomed, done('n2', 2), rollback, threeNodes())).document.phase).to.equal('ready');
  });

  it('rolls a failed create back as a remove, with a raised epoch and the cause (rule 17)', () => {
    const { document } = committed(decideAnswer(creating, failed('n1', 1), rollback, threeNodes()));
    expect(document).to.include({ phase: 'removing', epoch: 2 });
    expect(document.operation).to.include({ kind: 'remove', id: rollback, cause: 'the disk is full' });
  });

  it('changes nothing when the volume is gone or has no operation', () => {
    expect(decideAnswer(undefined, done('n1', 1), rollback, threeNodes()).type).to.equal('unchanged');
    expect(decideAnswer(volume(), done('n1', 5), rollback, threeNodes()).type).to.equal('unchanged');
  });

  it('stores the size of an expand and forgets a failed one', () => {
    const expanding = volume({ spec: spec({ sizeBytes: 10 }), operation: operation('expand', { parameters: { sizeBytes: '20' } }) });
    const answer = done('n1', 5, { result: { type: 'done', facts: { sizeBytes: '24' } } });
    expect(committed(decideAnswer(expanding, answer, rollback, threeNodes())).document.spec.sizeBytes).to.equal(24);
    const { document } = committed(decideAnswer(expanding, failed('n1', 5), rollback, threeNodes()));
    expect([document.spec.sizeBytes, document.operation, document.phase]).to.deep.equal([10, undefined, 'ready']);
  });

  it('adds and drops snapshots', () => {
    const snapping = volume({ operation: operation('snapshot', { parameters: { snapshot: 'monday' } }) });
    const answer = done('n1', 5, { result: { type: 'done', facts: { sizeBytes: '7' } } });
    const { document } = committed(decideAnswer(snapping, answer, rollback, threeNodes()));
    expect(document.snapshots?.['monday']).to.include({ sizeBytes: 7, ready: true });
    const dropping = { ...document, operation: operation('remove-snapshot', { parameters: { snapshot: 'monday' } }) };
    expect(committed(decideAnswer(dropping, done('n1', 5), rollback, threeNodes())).document.snapshots).to.deep.equal({});
  });

  describe('to a removal (rules 15 and 18)', () => {
    const twoFormer = { ...removing, formerOwners: [former('n2'), former('n3')] };

    it('deletes the key when nobody else owes an answer', () => {
      expect(decideAnswer(removing, done('n1', 6), rollback, threeNodes())).to.include({ type: 'commit', document: undefined });
    });

    it('keeps the key until every former owner has answered with the current epoch, in any order', () => {
      for (const order of [
        ['n1', 'n2', 'n3'],
        ['n3', 'n1', 'n2'],
        ['n2', 'n3', 'n1'],
      ]) {
        let document: VolumeDocument = twoFormer;
        for (const name of order.slice(0, 2)) {
          document = { ...document, ...committed(decideAnswer(document, done(name, 6), rollback, threeNodes())).document };
          expect(pendingCommands(document).map((command) => command.node)).not.to.include(name);
        }
        expect(decideAnswer(document, done(order[2] ?? '', 6), rollback, threeNodes())).to.include({ type: 'commit', document: undefined });
      }
    });

    it('takes no acknowledgement of an epoch before the removal', () => {
      expect(decideAnswer(twoFormer, done('n2', 5), rollback, threeNodes()).type).to.equal('unchanged');
    });

    it('takes no acknowledgement of a node that owes none', () => {
      expect(decideAnswer({ ...removing, formerOwners: [former('n2')] }, done('n3', 6), rollback, threeNodes()).type).to.equal('unchanged');
    });

    it('goes on after a failure: a remove that has been sent only goes forward (rule 15)', () => {
      expect(decideAnswer(removing, failed('n1', 6), rollback, threeNodes()).type).to.equal('unchanged');
    });

    it('asks an owner that was one before once, and its answer settles both', () => {
      const back = { ...removing, formerOwners: [former('n1')] };
      expect(pendingCommands(back).map((command) => command.node)).to.deep.equal(['n1']);
      expect(decideAnswer(back, done('n1', 6), rollback, threeNodes())).to.include({ type: 'commit', document: undefined });
    });
  });
});

describe('decideRemove', () => {
  const remove = { name: 'data', operationId: operationId('remove') };

  it('raises the epoch with the step to removing, so that older commands are refused (rule 17)', () => {
    const { document } = committed(decideRemove(volume(), remove, threeNodes()));
    expect(document).to.include({ phase: 'removing', epoch: 6 });
  });

  it('is refused while attached, naming every holder', () => {
    const shared = volume({
      spec: spec({ accessMode: 'multi-node-multi-writer' }),
      attachments: { ...attachedOn('n1'), ...attachedOn('n3', { mode: 'ro' }) },
    });
    const failure = refused(decideRemove(shared, remove, threeNodes()));
    expect(failure.reason).to.equal('VOLUME_ATTACHED');
    expect(failure.fields).to.include({ holders: 'n1,n3', holderCount: '2' });
  });

  it('joins a removal that is under way', () => {
    expect(decideRemove(removing, remove, threeNodes())).to.deep.equal({ type: 'unchanged', answer: removing });
  });

  it('takes a volume out of creation: the create that is in flight has a lower epoch', () => {
    const { document } = committed(decideRemove(creating, remove, threeNodes()));
    expect(document).to.include({ phase: 'removing', epoch: 2 });
    expect(decideAnswer(document, done('n1', 1), rollback, threeNodes()).type).to.equal('unchanged');
  });

  it('finds no volume of another uid (rule 1)', () => {
    expect(refused(decideRemove(volume(), { ...remove, uid: volumeUid('before') }, threeNodes())).reason).to.equal('VOLUME_NOT_FOUND');
  });
});

describe('decideForget', () => {
  it('deletes the record of a free volume, and is refused while attached', () => {
    expect(decideForget(volume(), 'data', threeNodes())).to.include({ type: 'commit', document: undefined });
    expect(refused(decideForget(volume({ attachments: attachedOn('n1') }), 'data', threeNodes())).reason).to.equal('VOLUME_ATTACHED');
    expect(refused(decideForget(undefined, 'data', threeNodes())).reason).to.equal('VOLUME_NOT_FOUND');
  });
});

describe('decideBegin', () => {
  const begin = { name: 'data', operationId: operationId('op'), kind: 'expand', parameters: { sizeBytes: '9' } } as const;

  it('records the work and compares the session of the owner', () => {
    const { document, requirements } = committed(decideBegin(volume(), begin, threeNodes()));
    expect(document.operation).to.deep.include({ kind: 'expand', parameters: { sizeBytes: '9' } });
    expect(requirements).to.deep.equal([sessionPresent('n1', 1)]);
  });

  it('is refused when the owner is gone, or another machine has its name', () => {
    expect(refused(decideBegin(volume(), begin, threeNodes({ gone: ['n1'] }))).reason).to.equal('NODE_UNAVAILABLE');
    expect(refused(decideBegin(volume({ ownerUid: nodeUid('old') }), begin, threeNodes())).reason).to.equal('NODE_UNAVAILABLE');
  });

  it('lets one operation run at a time', () => {
    expect(refused(decideBegin(volume({ operation: operation('snapshot') }), begin, threeNodes())).reason).to.equal('CONTENTION');
    expect(refused(decideBegin(creating, begin, threeNodes())).reason).to.equal('VOLUME_CREATING');
    expect(refused(decideBegin(removing, begin, threeNodes())).reason).to.equal('VOLUME_REMOVING');
    expect(refused(decideBegin(undefined, begin, threeNodes())).reason).to.equal('VOLUME_NOT_FOUND');
  });
});
