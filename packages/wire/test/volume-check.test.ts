import { LIMITS, type Attachment, type SessionId, type VolumeDocument, type VolumePhase, type VolumeSpec } from '@volplane/domain';
import { expect } from 'chai';
import fc, { type Arbitrary } from 'fast-check';
import { volumeDocument } from '../src/document.js';
import { isSurelyVolume } from '../src/volume-check.js';
import * as any from './arbitraries.js';

describe('the quick check of volume documents', () => {
  it('knows every document that managers write, and what the schema makes of it is the document itself', () => {
    fc.assert(
      fc.property(document, (value) => {
        expect(isSurelyVolume(value), JSON.stringify(value)).to.equal(true);
        expect(volumeDocument.parse(value)).to.deep.equal(value);
      }),
    );
  });

  it('agrees with the schema about any document that one change was made to', () => {
    let refused = 0;
    fc.assert(
      fc.property(document, fc.nat(), change, (value, where, make) => {
        const changed = changedAt(value, where, make);
        const word = volumeDocument.safeParse(changed);
        expect(isSurelyVolume(changed), JSON.stringify(changed)).to.equal(word.success);
        if (word.success) expect(word.data).to.deep.equal(changed);
        else refused += 1;
      }),
      { numRuns: 2_000 },
    );
    expect(refused).to.be.greaterThan(100);
  });

  it('agrees with the schema about documents at their bounds', () => {
    const [base] = fc.sample(document, { numRuns: 1, seed: 1 });
    const entries = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${String(index)}`, '']));
    const list = (count: number, element: unknown): unknown[] => Array.from({ length: count }, () => element);
    const owner = { node: 'a', nodeUid: '0'.repeat(32) };
    const evidence = { ...owner, kind: 'A', seq: 0, epoch: 0, at: 'x', detail: '' };
    const verdicts = [
      ...[LIMITS.mapEntries, LIMITS.mapEntries + 1].map((count) => ({ spec: { ...base?.spec, labels: entries(count) } })),
      ...['k'.repeat(LIMITS.mapKeyBytes), 'k'.repeat(LIMITS.mapKeyBytes + 1), 'k', ''].map((key) => ({
        spec: { ...base?.spec, labels: { [key]: '' } },
      })),
      ...[LIMITS.formerOwners + 1, LIMITS.formerOwners + 2].map((count) => ({ formerOwners: list(count, owner) })),
      ...[LIMITS.evidence, LIMITS.evidence + 1].map((count) => ({ evidence: list(count, evidence) })),
      ...[128, 129].map((length) => ({ snapshots: { ['s'.repeat(length)]: { createdAt: 'x', sizeBytes: 0, ready: true } } })),
    ].map((part) => {
      const value = { ...base, ...part };
      expect(isSurelyVolume(value)).to.equal(volumeDocument.safeParse(value).success);
      return isSurelyVolume(value);
    });
    expect(verdicts).to.deep.equal([true, false, true, false, true, false, true, false, true, false, true, false]);
  });

  it('leaves a map with the key __proto__ to the schema, which drops it', () => {
    const [base] = fc.sample(document, { numRuns: 1, seed: 1 });
    const value: unknown = JSON.parse(JSON.stringify(base).replace('"labels":{', '"labels":{"__proto__":"x"').replace('"x""', '"x","'));
    expect(isSurelyVolume(value)).to.equal(false);
    expect(volumeDocument.parse(value).spec.labels).not.to.have.own.property('__proto__');
  });
});

const attachment = any.shape<Attachment>({
  nodeUid: any.nodeUid,
  session: fc.stringMatching(/^[0-9]{1,20}$/).map((id) => id as SessionId),
  seq: any.count,
  epoch: any.count,
  mode: any.mountMode,
  since: any.timestamp,
  claimedFor: any.mountId,
});

const spec = any.shape<VolumeSpec>(
  {
    driver: any.driverName,
    options: any.stringMap,
    labels: any.stringMap,
    accessMode: any.accessMode,
    takeover: any.takeover,
    sizeBytes: any.count,
  },
  ['sizeBytes'],
);

const document: Arbitrary<VolumeDocument> = any.shape<VolumeDocument>(
  {
    schema: fc.constant(1),
    name: any.volumeName,
    uid: any.volumeUid,
    spec,
    createdAt: any.timestamp,
    phase: fc.constantFrom<VolumePhase>('creating', 'ready', 'removing'),
    owner: any.nodeName,
    ownerUid: any.nodeUid,
    epoch: any.count,
    attachments: fc.dictionary(any.nodeName, attachment, { maxKeys: 3, noNullPrototype: true }),
    operation: any.operation,
    formerOwners: fc.array(any.shape({ node: any.nodeName, nodeUid: any.nodeUid }), { maxLength: 2 }),
    evidence: fc.array(any.evidence, { maxLength: 2 }),
    snapshots: fc.dictionary(fc.string({ maxLength: 20 }).filter(hasNoProto), any.snapshot, { maxKeys: 2, noNullPrototype: true }),
  },
  ['operation', 'snapshots'],
);

/** What takes the place of one value of a document; REMOVED and ADDED are about its key. */
const REMOVED = Symbol('removed');
const ADDED = Symbol('added');
const change: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    REMOVED,
    ADDED,
    null,
    true,
    1,
    0,
    -0,
    -1,
    1.5,
    2 ** 53 - 1,
    2 ** 53,
    Infinity,
    '',
    'x',
    [],
    ['x'],
    {},
    { x: 'x' },
  ),
  fc.constantFrom(16, 31, 32, 33, 40, 41, 63, 64, 128, 129, 256, 257, 2048, 2049, 4096, 4097).map((length) => 'a'.repeat(length)),
  fc.constantFrom('rw', 'ready', 'create', 'A', 'B', 'Node', 'no/name', '0'.repeat(32)),
  any.text,
  fc.jsonValue().filter(hasNoProto),
);

/** The schema drops such a key, the quick check leaves the whole document to it; they have a test of their own. */
function hasNoProto(value: unknown): boolean {
  return !JSON.stringify(value).includes('__proto__');
}

/** A copy, with the value that comes at `where` when all are counted replaced. */
function changedAt(value: unknown, where: number, make: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(value)) as object;
  const places = [...placesIn(copy)];
  const place = places[where % places.length];
  if (place === undefined) throw new Error('a document has places');
  const { holder, key } = place;
  if (make === ADDED && Array.isArray(holder)) holder.push('x');
  else if (make === ADDED) holder['another'] = 'x';
  else if (make !== REMOVED) holder[key] = make;
  else if (Array.isArray(holder)) holder.pop();
  else Reflect.deleteProperty(holder, key);
  return copy;
}

function* placesIn(holder: object): Iterable<{ readonly holder: Record<string, unknown>; readonly key: string }> {
  for (const [key, value] of Object.entries(holder)) {
    yield { holder: holder as Record<string, unknown>, key };
    if (typeof value === 'object' && value !== null) yield* placesIn(value as object);
  }
}
