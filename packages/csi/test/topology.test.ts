import { expect } from 'chai';
import type { NodeView } from '@volplane/domain';
import { FakeCluster } from '@volplane/testkit';
import { choosePlaces } from '../src/controller/placement.js';
import { CsiError } from '../src/status.js';
import { parseRequirement, TopologyMap } from '../src/topology.js';
import { LOCAL, PLAIN } from './support/csi-world.js';

const topology = new TopologyMap('csi.test', ['zone', 'rack']);

function nodes(change: (cluster: FakeCluster) => void = () => undefined): readonly NodeView[] {
  const cluster = new FakeCluster({
    nodes: [
      { name: 'n1', labels: { zone: 'a' }, drivers: [LOCAL] },
      { name: 'n2', labels: { zone: 'a' }, drivers: [LOCAL] },
      { name: 'n3', labels: { zone: 'b' }, drivers: [LOCAL] },
      { name: 'n4', labels: { zone: 'c' }, drivers: [PLAIN] },
    ],
  });
  change(cluster);
  return [...cluster.nodes.values()].map((node) => cluster.viewOfNode(node));
}

function places(
  requirement: { requisite?: Record<string, string>[]; preferred?: Record<string, string>[] } | null,
  all = nodes(),
  name = 'v1',
): readonly string[] {
  const terms = (list: Record<string, string>[] = []): { segments: Record<string, string> }[] => list.map((segments) => ({ segments }));
  const wire = requirement === null ? null : { requisite: terms(requirement.requisite), preferred: terms(requirement.preferred) };
  return choosePlaces(topology, { requirement: parseRequirement(wire), driver: LOCAL, labels: {}, name, nodes: all });
}

describe('topology', () => {
  it('tells the node and its chosen labels under the name of the plugin', () => {
    const [first] = nodes();
    expect(first === undefined ? {} : topology.ofNode(first)).to.deep.equal({ 'csi.test/node': 'n1', 'csi.test/zone': 'a' });
  });

  it('leaves out labels that CSI does not allow as values', () => {
    expect(topology.ofNode({ name: 'n1', labels: { zone: 'not a value', rack: 'r'.repeat(64) } })).to.deep.equal({ 'csi.test/node': 'n1' });
  });

  it('without a requirement spreads volumes by their names, always the same way', () => {
    const firsts = Array.from({ length: 40 }, (_, index) => places(null, nodes(), `v${index}`)[0]);
    expect(new Set(firsts)).to.deep.equal(new Set(['n1', 'n2', 'n3']));
    expect(places(null)).to.deep.equal(places(null));
  });

  it('chooses the preferred node first, then the others that are allowed', () => {
    const found = places({ preferred: [{ 'csi.test/node': 'n3' }], requisite: [{ 'csi.test/zone': 'a' }, { 'csi.test/zone': 'b' }] });
    expect(found[0]).to.equal('n3');
    expect([...found].sort()).to.deep.equal(['n1', 'n2', 'n3']);
  });

  it('keeps to the requisite topologies', () => {
    expect(places({ requisite: [{ 'csi.test/zone': 'b' }] })).to.deep.equal(['n3']);
  });

  it('needs every segment of a term', () => {
    expect(places({ requisite: [{ 'csi.test/zone': 'a', 'csi.test/node': 'n2' }] })).to.deep.equal(['n2']);
  });

  it('has no room where no node runs the driver, or where it is not ours', () => {
    for (const segments of [
      { 'csi.test/zone': 'c' },
      { 'other.plugin/zone': 'a' },
      { 'csi.rest/zone': 'a' },
      { 'csi.test/zone': 'nowhere' },
    ]) {
      expect(() => places({ requisite: [segments] }), JSON.stringify(segments))
        .to.throw(CsiError)
        .with.property('code', 'RESOURCE_EXHAUSTED');
    }
  });

  it('passes over nodes that are gone or cordoned', () => {
    const some = nodes((cluster) => {
      cluster.node('n1').state = 'gone';
      cluster.node('n3').cordoned = true;
    });
    expect(places(null, some)).to.deep.equal(['n2']);
  });

  it('asks to wait for the node that the caller prefers while it is gone, because a pod waits there', () => {
    const some = nodes((cluster) => {
      cluster.node('n1').state = 'gone';
    });
    const wanted = { preferred: [{ 'csi.test/node': 'n1' }], requisite: [{ 'csi.test/node': 'n1' }, { 'csi.test/node': 'n2' }] };
    expect(() => places(wanted, some))
      .to.throw(CsiError)
      .with.property('code', 'UNAVAILABLE');
  });

  it('passes over nodes that were declared lost, for good', () => {
    const some = nodes((cluster) => {
      for (const name of ['n1', 'n2']) cluster.node(name).state = 'lost';
    });
    expect(() => places({ requisite: [{ 'csi.test/zone': 'a' }] }, some))
      .to.throw(CsiError)
      .with.property('code', 'RESOURCE_EXHAUSTED');
  });
});
