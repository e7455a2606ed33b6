import type { NodeName, NodeUid, VolumeDocument, VolumeName } from '@volplane/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { attachedOn, node, NOW, nodeUid, operationId, volume, volumeName } from '../../domain/test/world.js';
import { VolumeIndex } from '../src/store/volume-index.js';

const NODES = ['n1', 'n2', 'n3'];
const VOLUMES = ['v1', 'v2', 'v3', 'v4'].map(volumeName);

describe('VolumeIndex', () => {
  it('answers every question as a scan of its records would, whatever came, changed and went', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(documents(), fc.constantFrom(...VOLUMES)), { maxLength: 40 }), (steps) => {
        const index = new VolumeIndex();
        const model = new Map<VolumeName, VolumeDocument>();
        let revision = 0;
        for (const step of steps) {
          revision += 1;
          if (typeof step === 'string') {
            index.delete(step, revision);
            model.delete(step);
          } else {
            index.set(step.name, { document: step, modRevision: revision });
            model.set(step.name, step);
          }
          expectScan(index, model);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('takes no record that is older than what it has, or than a deletion', () => {
    const index = new VolumeIndex();
    const document = volume({ name: volumeName('v1') });
    expect(index.set(document.name, { document, modRevision: 5 })).to.equal(true);
    expect(index.set(document.name, { document, modRevision: 5 })).to.equal(false);
    expect(index.delete(document.name, 4)).to.equal(false);
    expect(index.delete(document.name, 6)).to.equal(true);
    expect(index.set(document.name, { document, modRevision: 6 })).to.equal(false);
    expect([...index.names()]).to.deep.equal([]);
  });
});

function documents(): fc.Arbitrary<VolumeDocument> {
  const place = fc.constantFrom(...NODES);
  // The machine behind a name changes now and then.
  const machine = fc.oneof({ weight: 4, arbitrary: fc.constant('') }, fc.constant('-anew'));
  // Mostly nobody, as for most volumes.
  const some = fc.oneof({ weight: 3, arbitrary: fc.constant<string[]>([]) }, fc.subarray(NODES));
  return fc
    .record({
      name: fc.constantFrom(...VOLUMES),
      owner: place,
      machine,
      holders: some,
      former: some,
      busy: fc.boolean(),
    })
    .map(({ name, owner, machine: which, holders, former, busy }) =>
      volume({
        name,
        owner: node(owner),
        ownerUid: nodeUid(`${owner}${which}`),
        attachments: Object.assign({}, ...holders.map((holder) => attachedOn(holder))) as VolumeDocument['attachments'],
        formerOwners: former.map((each) => ({ node: node(each), nodeUid: nodeUid(`${each}${which}`) })),
        ...(busy ? { operation: { id: operationId('o'), kind: 'expand', since: NOW, parameters: {} } } : {}),
      }),
    );
}

function expectScan(index: VolumeIndex, model: ReadonlyMap<VolumeName, VolumeDocument>): void {
  const having = (fits: (document: VolumeDocument) => boolean): readonly VolumeName[] =>
    [...model].flatMap(([name, document]) => (fits(document) ? [name] : [])).sort();
  expect([...index.names()]).to.deep.equal(having(() => true));
  expect([...index.names('v2')]).to.deep.equal(having(({ name }) => name > 'v2'));
  expect([...index.unfinished].sort()).to.deep.equal(having(({ operation }) => operation !== undefined));
  for (const name of NODES.map(node)) {
    expect([...index.attachedOn(name)].sort()).to.deep.equal(having(({ attachments }) => attachments[name] !== undefined));
    expect([...index.ownedBy(name)].sort()).to.deep.equal(having(({ owner }) => owner === name));
    expect(index.owners.count(name)).to.equal(having(({ owner }) => owner === name).length);
  }
  for (const uid of NODES.flatMap((name) => [nodeUid(name), nodeUid(`${name}-anew`)])) {
    expect([...index.naming(uid)].sort()).to.deep.equal(having((document) => machinesOf(document).includes(uid)));
  }
}

function machinesOf({ ownerUid, formerOwners, attachments }: VolumeDocument): readonly NodeUid[] {
  const holders = (Object.keys(attachments) as NodeName[]).flatMap((name) => attachments[name]?.nodeUid ?? []); // its own keys
  return [ownerUid, ...formerOwners.map((former) => former.nodeUid), ...holders];
}
