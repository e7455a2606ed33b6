import { hasReason } from '@volplane/base';
import { acknowledged, nodeSubject, openAnswer } from '@volplane/wire';
import { expect } from 'chai';
import { cut, LOST, requests, Script, TTL_MS, type Rule } from './script.js';

/** The shortest ways in which volumes are made and removed wrongly without the rules of docs/ownership.md; the number is the rule's. */
describe('traces of volumes', () => {
  let script: Script;

  beforeEach(() => {
    script = new Script();
  });

  const manager = (index = 0): NonNullable<(typeof script.world.managers)[number]> => {
    const live = script.world.managers[index];
    if (live === undefined) throw new Error('no manager');
    return live;
  };
  const remove = (): Promise<void> => manager().manager.api.removeVolume({ name: 'vol' }, script.world.context(20_000));
  const transfer = (toNode: string): Promise<unknown> =>
    manager().manager.api.transferOwnership({ name: 'vol', toNode }, script.world.context(20_000));

  /** A command of a manager, as an agent may get it late: `none`, or why it is refused. */
  async function command(node: string, epoch: number, uid: string): Promise<string> {
    const live = script.node(node).agent?.agent.session.current();
    const { spec } = script.document('vol');
    const message = {
      type: 'command',
      session: live?.session,
      incarnation: live?.incarnation,
      name: 'vol',
      uid,
      spec,
      kind: 'create',
      operationId: String(epoch).repeat(32).slice(0, 32),
      epoch,
      parameters: {},
    };
    const bus = script.world.network.open('late');
    try {
      openAnswer(await script.settle(bus.request(nodeSubject(script.node(node).name), message, { timeoutMs: 5_000 })), acknowledged);
      return 'none';
    } catch (error) {
      return hasReason(error, 'NOT_OWNER') ? 'NOT_OWNER' : String(error);
    } finally {
      script.world.network.crash('late');
    }
  }

  it('1: a volume made again under its name is not refused for the epochs of the one before', async () => {
    const first = await script.create('vol', 'n1');
    for (const node of ['n2', 'n1', 'n2', 'n1']) await script.settle(transfer(node));
    await script.settle(script.mount('n1', 'vol', 'c1'));
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    await script.settle(remove());
    const second = await script.create('vol', 'n1');
    expect(second.uid).not.to.equal(first.uid);
    expect(second).to.include({ phase: 'ready', epoch: 1 });
    await script.settle(script.mount('n1', 'vol', 'c2'));
  });

  it('1: a remove that comes late destroys nothing of the volume made again under its name', async () => {
    await script.create('vol', 'n1');
    script.rules((message) => (message.to === 'n1' && message.text.includes('"kind":"remove"') ? [1, 2_000] : undefined));
    await script.settle(remove());
    const { uid } = await script.create('vol', 'n1');
    await script.pass(3_000);
    expect(script.world.storage.find(uid)).not.to.equal(undefined);
  });

  it('15, 18: the end of a session acknowledges no remove: who may still act on the data is asked when it is back', async () => {
    await script.create('warm', 'n1');
    script.world.driverScript = (method) => (method === 'create' ? { kind: 'slow', delayMs: 5_000, survivesEnd: true } : undefined);
    const { api } = manager().manager;
    api
      .createVolume({ name: 'vol', driver: 'fake', node: 'n1', accessMode: 'single-node-writer' }, script.world.context(1_000))
      .catch(() => undefined);
    await script.pass(200);
    const { uid } = script.document('vol');
    script.world.driverScript = undefined;
    script.node('n1').agent?.clock.stop();
    await script.until(() => script.document('vol').owner !== 'n1', 'another node owns it');
    await script.until(() => script.document('vol').phase === 'ready', 'the other node has made it');
    expect(await script.reasonOf(manager().manager.api.removeVolume({ name: 'vol' }, script.world.context(3_000)))).not.to.equal('none');
    expect(script.document('vol')).to.deep.include({
      phase: 'removing',
      formerOwners: [{ node: 'n1', nodeUid: script.node('n1').agent?.agent.nodeUid }],
    });
    await script.until(() => script.world.storage.find(uid) !== undefined, 'n1 has made it, too late');
    script.node('n1').agent?.clock.go();
    await script.until(() => !script.world.checks.documents().some(({ name }) => name === 'vol'), 'it is removed');
    expect(script.world.storage.find(uid)).to.equal(undefined);
  });

  it('15: a remove that a node could not carry out is tried until it is done', async () => {
    const { uid } = await script.create('vol', 'n1');
    script.world.driverScript = (method) => (method === 'remove' ? { kind: 'hang', effect: 'none' } : undefined);
    const removing = script.reasonOf(manager().manager.api.removeVolume({ name: 'vol' }, script.world.context(2_000)));
    expect(await removing).not.to.equal('none');
    expect(script.document('vol').phase).to.equal('removing');
    script.world.killAgent(script.node('n1'));
    script.world.driverScript = undefined;
    script.world.startAgent(script.node('n1'));
    await script.until(() => !script.world.checks.documents().some(({ name }) => name === 'vol'), 'it is removed');
    expect(script.world.storage.find(uid)).to.equal(undefined);
  });

  it('16: an operator’s word ends nothing of a node that has a session, whatever the manager believes', async () => {
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.world.powerOff(script.node('n1'));
    await script.until(() => !script.world.checks.hasSession('n1'), 'the session of n1 has ended');
    await script.pass(100);
    manager().watchStuck = true;
    script.world.network.disconnect('m1');
    script.world.powerOn(script.node('n1'));
    await script.until(() => script.world.checks.hasSession('n1'), 'n1 is back');
    await script.pass(500);
    await script.settle(script.mount('n1', 'vol', 'c2'));
    const word = manager().manager.api.forceRelease({ name: 'vol', node: 'n1', note: 'its power is off' }, script.world.context(10_000));
    expect(await script.reasonOf(word)).not.to.equal('none');
    expect(script.holders('vol')).to.deep.equal(['n1']);
  });

  it('16: asked to give a volume up, a living node cuts its users off and releases it itself', async () => {
    const { uid } = await script.create('vol', 'n1');
    const { path } = await script.settle(script.mount('n1', 'vol', 'c1'));
    const writer = script.node('n1').kernel.openWriter(path, 'file');
    script.world.checks.onForced(uid);
    await script.settle(manager().manager.api.forceRelease({ name: 'vol', node: 'n1', note: 'wanted back' }, script.world.context(10_000)));
    expect(writer.write('late')).to.equal('refused');
    expect(script.document('vol').evidence.at(-1)?.kind).to.equal('A');
    await script.settle(script.mount('n2', 'vol', 'c2'));
  });

  it('17: an agent refuses a lower epoch, also in its next life', async () => {
    const { uid } = await script.create('vol', 'n1');
    for (const node of ['n2', 'n1']) await script.settle(transfer(node));
    const { epoch } = await script.settle(script.mount('n1', 'vol', 'c1'));
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    expect(epoch).to.be.above(2);
    expect(await command('n1', epoch - 1, uid)).to.equal('NOT_OWNER');
    script.world.powerOff(script.node('n1'));
    script.world.powerOn(script.node('n1'));
    await script.pass(2 * TTL_MS);
    expect(await command('n1', epoch - 1, uid)).to.equal('NOT_OWNER');
    expect(await command('n1', epoch, uid)).to.equal('none');
  });

  it('17: an agent refuses a lower epoch also after the volume was removed and made again', async () => {
    const { uid, epoch } = await script.create('vol', 'n1');
    await script.settle(remove());
    const again = await script.create('vol', 'n1');
    expect(await command('n1', epoch, uid)).to.equal('NOT_OWNER');
    expect(await command('n1', again.epoch, again.uid)).to.equal('none');
    expect(script.world.storage.find(uid)).to.equal(undefined);
  });

  it('17: a next life of the agent forgets the volumes that were removed before it, and no other', async () => {
    const [gone, kept] = [await script.create('gone', 'n1'), await script.create('kept', 'n1')];
    await script.settle(manager().manager.api.removeVolume({ name: 'gone' }, script.world.context(10_000)));
    const remembered = (): boolean[] => [gone, kept].map(({ uid }) => script.node('n1').agent?.agent.book.command(uid) !== undefined);
    expect(remembered()).to.deep.equal([true, true]);
    script.world.killAgent(script.node('n1'));
    script.world.startAgent(script.node('n1'));
    expect(remembered()).to.deep.equal([true, true]);
    await script.until(() => script.node('n1').agent?.agent.session.current() !== undefined, 'n1 has registered');
    expect(remembered()).to.deep.equal([false, true]);
  });

  it('15: a command for another life of the agent is refused', async () => {
    await script.create('warm', 'n1');
    let delayMs = 0;
    const commands: Rule = (message) =>
      message.to === 'n1' && message.text.includes('"kind":"create"') ? [(delayMs += 1_500)] : undefined;
    script.rules(commands);
    manager()
      .manager.api.createVolume({ name: 'vol', driver: 'fake', node: 'n1', accessMode: 'single-node-writer' }, script.world.context(15_000))
      .catch(() => undefined);
    await script.pass(100);
    script.world.killAgent(script.node('n1'));
    script.world.startAgent(script.node('n1'));
    await script.pass(1_600);
    expect(script.node('n1').agent?.driver.calls.filter(({ method }) => method === 'create')).to.deep.equal([]);
    script.rules();
    await script.until(() => script.document('vol').phase === 'ready', 'it is made in the end');
  });

  it('17: work for a dead owner goes on at another node, at a higher epoch', async () => {
    await script.create('warm', 'n1');
    script.rules((message) => (message.to === 'n1' && message.text.includes('"kind":"create"') ? LOST : undefined));
    manager()
      .manager.api.createVolume({ name: 'vol', driver: 'fake', node: 'n1', accessMode: 'single-node-writer' }, script.world.context(3_000))
      .catch(() => undefined);
    await script.pass(200);
    const { epoch } = script.document('vol');
    script.rules(cut('n1', 'm1'), cut('n1', 'm2'), requests('register', 'n1', LOST));
    await script.until(() => script.document('vol').phase === 'ready', 'another node has made it');
    expect(script.document('vol').owner).not.to.equal('n1');
    expect(script.document('vol').epoch).to.be.above(epoch);
  });
});
