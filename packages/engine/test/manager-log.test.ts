import type { NodeView, VolumeView } from '@volplane/domain';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { recordingLogger, type LogLine } from './recording-logger.js';
import { context, World, type FakeAgent, type TestManager } from './world.js';

/** What is told of nodes that go, and of operators' words: of some of it nothing else remembers anything. */
describe('the log of a manager', () => {
  let world: World;
  let manager: TestManager;
  let n1: FakeAgent;
  let n2: FakeAgent;
  let lines: LogLine[];

  beforeEach(async () => {
    world = new World();
    lines = [];
    manager = await world.manager('m1', { log: recordingLogger(lines) });
    n1 = await world.agent('n1');
    n2 = await world.agent('n2');
    await world.settle(manager.api.createVolume({ name: 'data', driver: 'shared', node: 'n1', takeover: 'manual' }, context()));
    await n1.claim('data');
  });

  afterEach(() => world.end());

  const told = (message: string): readonly LogLine['fields'][] =>
    lines.filter((line) => line.level !== 'debug' && line.message.startsWith(message)).map(({ fields }) => fields);
  const force = (node: string): Promise<VolumeView> =>
    world.settle(manager.api.forceRelease({ name: 'data', node, note: 'ann' }, context()));
  const node = (name: string): Promise<NodeView> => world.settle(manager.api.getNode({ name }, context()));

  it('says once that a session has ended, and the node says since when', async () => {
    const { session } = n1;
    expect(await node('n1')).to.not.have.property('goneSince');
    await n1.die();
    const [ended, ...more] = told('session ended');
    expect(ended).to.include({ node: 'n1', session });
    expect(more).to.deep.equal([]);
    const { goneSince, state } = await node('n1');
    expect([state, Number.isNaN(Date.parse(goneSince ?? ''))]).to.deep.equal(['gone', false]);
    await n1.register();
    expect(await node('n1')).to.not.have.property('goneSince');
  });

  it('does not know of an end before its own start', async () => {
    await n1.die();
    const late = await world.manager('m2');
    expect(await world.settle(late.api.getNode({ name: 'n1' }, context()))).to.not.have.property('goneSince');
  });

  it('keeps the words of operators about a node that lives and about one that is gone', async () => {
    await force('n1');
    expect(told('node released a volume by force')).to.have.length(1);
    await n1.die();
    await force('n1');
    await force('n1');
    expect(told('attachment of a node that is gone ended on an operator')).to.have.length(1);
    expect(told('attachment of a node that is gone ended on an operator')[0]).to.include({ volume: 'data', node: 'n1', note: 'ann' });
  });

  it('tells what is released on evidence, moved, forgotten and cordoned', async () => {
    await world.settle(manager.api.createVolume({ name: 'leased', driver: 'shared', node: 'n1', takeover: 'lease' }, context()));
    await n1.claim('leased');
    await n1.die();
    await world.settle(manager.api.releaseGone({ name: 'leased', node: 'n1' }, context()));
    expect(told('attachment of a node that is gone ended on evidence')[0]).to.include({ volume: 'leased', node: 'n1', evidence: 'C' });
    await force('n1');
    await n1.register();
    await world.settle(manager.api.transferOwnership({ name: 'data', toNode: 'n2' }, context()));
    await world.settle(manager.api.cordonNode({ name: 'n2', cordoned: true }, context()));
    await world.settle(manager.api.forgetVolume({ name: 'data' }, context()));
    expect(told('volume re-homed on request')[0]).to.include({ volume: 'data', to: 'n2' });
    expect(told('node cordoned on request')).to.deep.equal([{ node: n2.node }]);
    expect(told('volume forgotten on request')[0]).to.include({ volume: 'data' });
  });

  it('refuses a forced release of a node that never was, which may be a slip of the pen', async () => {
    expect((await rejection(force('n9'))).reason).to.equal('NODE_NOT_FOUND');
    expect(await force('n2')).to.have.property('name', 'data');
  });
});
