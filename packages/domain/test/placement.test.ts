import { expect } from 'chai';
import fc from 'fast-check';
import {
  ACCESS_MODES,
  chooseOwner,
  defaultTakeover,
  placeVolume,
  type Candidate,
  type PlacementRequest,
  TAKEOVER_POLICIES,
} from '../src/index.js';
import { driver, node, nodeDocument, sessionId } from './world.js';

const request: PlacementRequest = { driver: driver().name, topology: {}, needsSize: false, needsClone: false };

function candidate(name: string, owned: number, changes: Parameters<typeof nodeDocument>[1] = {}): Candidate {
  return { node: nodeDocument(name, changes), session: sessionId(1), owned };
}

describe('placeVolume', () => {
  it('takes the node that owns the fewest volumes, the first by name among equals', () => {
    expect(placeVolume(request, [candidate('n3', 2), candidate('n2', 1), candidate('n1', 1)]).chosen?.node.name).to.equal('n1');
  });

  it('says of every node why it was passed over, or what spoke for it', () => {
    const away: Candidate = { node: nodeDocument('n2'), owned: 0 };
    const candidates = [
      candidate('n1', 3),
      away,
      candidate('n3', 0, { cordoned: true }),
      candidate('n4', 0, { drivers: [] }),
      candidate('n5', 0, { lost: { at: '', by: 'ann' } }),
      candidate('n6', 0, { drivers: [driver('fake', { scope: 'local' })] }),
    ];
    const { chosen, verdicts } = placeVolume(request, candidates);
    expect(chosen?.node.name).to.equal('n1');
    expect(verdicts.map(({ node: name, passed, reason }) => `${name} ${String(passed)}: ${reason}`)).to.deep.equal([
      'n1 true: owns 3 volumes',
      'n2 false: no session: the node is not in touch',
      'n3 false: cordoned',
      'n4 false: does not run driver fake',
      'n5 false: declared lost',
      'n6 false: runs fake with local scope',
    ]);
  });

  it('asks the driver for the access mode, the policy, the size and the clone', () => {
    const weak = candidate('n1', 0, {
      drivers: [driver('fake', { accessModes: ['single-node-writer'], takeover: ['manual'], size: false, clone: false })],
    });
    const fault = (changes: Partial<PlacementRequest>): string | undefined =>
      placeVolume({ ...request, ...changes }, [weak]).verdicts[0]?.reason;
    expect(fault({ accessMode: 'multi-node-multi-writer' })).to.contain('access mode');
    expect(fault({ takeover: 'lease' })).to.contain('takeover policy');
    expect(fault({ needsSize: true })).to.contain('size');
    expect(fault({ needsClone: true })).to.contain('clone');
    expect(fault({ accessMode: 'single-node-writer', takeover: 'manual' })).to.equal('owns 0 volumes');
  });

  it('keeps to the wished node and to the topology', () => {
    const candidates = [candidate('n1', 0, { labels: { zone: 'a' } }), candidate('n2', 9, { labels: { zone: 'b' } })];
    expect(placeVolume({ ...request, wished: node('n2') }, candidates).chosen?.node.name).to.equal('n2');
    const placed = placeVolume({ ...request, topology: { zone: 'b' } }, candidates);
    expect(placed.chosen?.node.name).to.equal('n2');
    expect(placed.verdicts[0]?.reason).to.equal('label zone is a, asked for b');
    expect(placeVolume({ ...request, topology: { rack: '1' } }, candidates).chosen).to.equal(undefined);
  });
});

describe('chooseOwner', () => {
  it('chooses what placeVolume chooses, whoever the candidates are and whatever is asked', () => {
    let [chosen, refused] = [0, 0];
    fc.assert(
      fc.property(fc.array(anyCandidate, { maxLength: 12 }), anyRequest, (all, asked) => {
        const byName = new Map(all.map((one, index) => [`n${String(index)}`, one]));
        const candidates = [...byName].map(([name, one]) => ({ ...one, node: { ...one.node, name: node(name) } }));
        const ranked = [...candidates]
          .sort((one, other) => one.owned - other.owned || (one.node.name < other.node.name ? -1 : 1))
          .map((one) => one.node);
        const placed = placeVolume(asked, candidates).chosen;
        expect(chooseOwner(asked, ranked, ({ name }) => byName.get(name)?.session)).to.deep.equal(placed);
        if (placed === undefined) refused += 1;
        else chosen += 1;
      }),
      { numRuns: 2_000 },
    );
    expect(Math.min(chosen, refused)).to.be.greaterThan(100);
  });
});

const anyCandidate: fc.Arbitrary<Candidate> = fc
  .record({
    owned: fc.nat({ max: 3 }),
    hasSession: mostly(true),
    cordoned: mostly(false),
    lost: mostly(false),
    zone: fc.constantFrom('a', 'b'),
    runs: fc.constantFrom('fake', 'fake', 'fake', 'other'),
    scope: fc.constantFrom('global' as const, 'global' as const, 'global' as const, 'local' as const),
    able: mostly(true),
  })
  .map(({ owned, hasSession, cordoned, lost, zone, runs, scope, able }) => {
    const drivers = [driver(runs, { scope, size: able, clone: able, accessModes: able ? ACCESS_MODES : ['single-node-writer'] })];
    const changes = { cordoned, drivers, labels: { zone }, ...(lost ? { lost: { at: '', by: 'ann' } } : {}) };
    return { node: nodeDocument('n', changes), owned, ...(hasSession ? { session: sessionId(1) } : {}) };
  });

const anyRequest: fc.Arbitrary<PlacementRequest> = fc.record(
  {
    driver: fc.constant(driver().name),
    accessMode: fc.constantFrom(...ACCESS_MODES),
    takeover: fc.constantFrom(...TAKEOVER_POLICIES),
    topology: fc.constantFrom({}, {}, { zone: 'a' }),
    wished: fc.constantFrom(node('n1'), node('n3')),
    needsSize: fc.boolean(),
    needsClone: fc.boolean(),
  },
  { requiredKeys: ['driver', 'topology', 'needsSize', 'needsClone'], noNullPrototype: true },
);

function mostly(usual: boolean): fc.Arbitrary<boolean> {
  return fc.constantFrom(usual, usual, usual, !usual);
}

describe('defaultTakeover', () => {
  it('is the first of the driver for one writer, and manual where there is nothing to take over', () => {
    const leasing = driver('fake', { takeover: ['lease', 'manual'] });
    expect(defaultTakeover(leasing, 'single-node-writer')).to.equal('lease');
    expect(defaultTakeover(leasing, 'multi-node-multi-writer')).to.equal('manual');
  });
});
