import { expect } from 'chai';
import { answers, cut, LOST, onlyClaim, requests, Script, TTL_MS } from './script.js';

/** The shortest ways in which claims, releases and lists go wrong without the rules of docs/ownership.md; the number is the rule's. */
describe('traces of claims', () => {
  it('2: an old release that comes late frees no newer claim', async () => {
    const script = new Script();
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.rules(requests('release', 'n1', [1, 1_000], 1));
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    await script.settle(script.mount('n1', 'vol', 'c2'));
    await script.pass(2_000);
    expect(script.holders('vol')).to.deep.equal(['n1']);
    expect(await script.reasonOf(script.mount('n2', 'vol', 'c3'))).to.equal('VOLUME_HELD');
  });

  it('2: seq goes on after a power loss, so that what was held before it can be released', async () => {
    const script = new Script();
    await script.create('vol', 'n1');
    for (const id of ['c1', 'c2', 'c3']) {
      await script.settle(script.mount('n1', 'vol', id));
      await script.settle(script.unmount('n1', 'vol', id));
    }
    await script.settle(script.mount('n1', 'vol', 'c4'));
    script.world.powerOff(script.node('n1'));
    script.world.powerOn(script.node('n1'));
    await script.pass(3_000);
    expect(script.holders('vol')).to.deep.equal([]);
    expect(script.node('n1').kernel.mounts).to.have.length(0);
  });

  it('3: a registration that comes late ends no living session', async () => {
    const script = new Script({ rules: [requests('register', 'n1', [1, 2_500], 1)] });
    await script.create('vol', 'n1', 'lease');
    await script.pass(500);
    script.world.killAgent(script.node('n1'));
    script.world.startAgent(script.node('n1'));
    await script.pass(500);
    await script.settle(script.mount('n1', 'vol', 'c1'));
    const before = script.node('n1').agent?.agent.session.current();
    await script.pass(3_000);
    const after = script.node('n1').agent?.agent.session.current();
    expect([after?.session, after?.incarnation]).to.deep.equal([before?.session, before?.incarnation]);
    expect(script.kernelMount('n1')?.usable).to.equal(true);
  });

  it('3: a quick restart of the agent keeps the session, its mounts and their epoch', async () => {
    const script = new Script();
    await script.create('vol', 'n1', 'lease');
    const { epoch } = await script.settle(script.mount('n1', 'vol', 'c1'));
    const before = script.node('n1').agent?.agent.session.current();
    script.world.killAgent(script.node('n1'));
    script.world.startAgent(script.node('n1'));
    await script.pass(2 * TTL_MS);
    const after = script.node('n1').agent?.agent.session.current();
    expect(after?.session).to.equal(before?.session);
    expect(after?.incarnation).not.to.equal(before?.incarnation);
    expect(script.kernelMount('n1')).to.include({ usable: true, epoch });
    expect(script.document('vol').attachments).to.have.nested.property('n1.epoch', epoch);
  });

  it('4: a manager that still believes a node gone takes nothing from it', async () => {
    const script = new Script();
    const [m1] = script.world.managers;
    await script.create('vol', 'n1', 'lease');
    await script.loseAgent('n1');
    await script.pass(100);
    if (m1 !== undefined) m1.watchStuck = true;
    script.world.network.disconnect('m1');
    script.world.startAgent(script.node('n1'));
    await script.until(() => script.world.checks.hasSession('n1'), 'n1 is back');
    await script.pass(50);
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.world.network.reconnect('m1');
    script.world.network.disconnect('m2');
    script.rules(requests('heartbeat', 'n1', LOST));
    const reason = await script.reasonOf(script.mount('n2', 'vol', 'c2'));
    expect(reason).to.be.oneOf(['VOLUME_HELD', 'CONTENTION']);
    expect(script.holders('vol')).to.deep.equal(['n1']);
    expect(script.kernelMount('n1')?.usable).to.equal(true);
  });

  it('5: a grant that comes in the next session is not used', async () => {
    const script = new Script();
    await script.create('vol', 'n1', 'lease');
    const isOver = { is: false };
    // Until the volume is granted elsewhere the node is cut off: it would else be back, with the volume in its claims, before that.
    script.rules(...onlyClaim('n1', [1]), answers('"takeover":"lease"', 'n1', [7_000], 1), ({ from, text }) =>
      !isOver.is && from === 'n1' && /"type":"(heartbeat|register)"/.test(text) ? LOST : undefined,
    );
    const late = script.reasonOf(script.mount('n1', 'vol', 'c1'));
    await script.until(() => !script.world.checks.hasSession('n1'), 'the session of n1 has ended');
    await script.settle(script.mount('n2', 'vol', 'c2'));
    isOver.is = true;
    expect(await late).to.equal('SESSION_LOST');
    expect(script.world.checks.hasSession('n1'), 'n1 is back').to.equal(true);
    expect(script.node('n1').kernel.mounts).to.have.length(0);
    expect(script.kernelMount('n2')?.usable).to.equal(true);
    await script.pass(2_000);
    expect(script.holders('vol')).to.deep.equal(['n2']);
  });

  it('11: the list frees no claim whose grant is on its way', async () => {
    const script = new Script();
    await script.create('vol', 'n1');
    script.rules(...onlyClaim('n1', [1]), answers('"takeover":"manual"', 'n1', [1_800], 1));
    await script.settle(script.mount('n1', 'vol', 'c1'));
    await script.pass(500);
    expect(script.holders('vol')).to.deep.equal(['n1']);
    expect(script.kernelMount('n1')?.usable).to.equal(true);
  });

  it('11, 13: what no release could free, the list frees', async () => {
    const script = new Script();
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.rules(requests('release', 'n1', LOST));
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    await script.pass(1_500);
    expect(script.holders('vol')).to.deep.equal([]);
  });

  it('12: a "not yours" that comes late ends no newer, rightful mount', async () => {
    const script = new Script();
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.rules(cut('n1', 'm1'), cut('n1', 'm2'));
    await script.until(() => !script.world.checks.hasSession('n1'), 'the session of n1 has ended');
    const api = script.world.managers[0]?.manager.api;
    await script.settle(
      api?.forceRelease({ name: 'vol', node: 'n1', note: 'its users are stopped' }, script.world.context(5_000)) ??
        Promise.reject(new Error('no manager')),
    );
    script.rules(answers('"notYours":[{', 'n1', [2_000], 1));
    await script.until(() => script.world.checks.hasSession('n1'), 'n1 is back');
    await script.pass(600);
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    await script.settle(script.mount('n1', 'vol', 'c2'));
    await script.pass(3_000);
    expect(script.record('n1', 'vol')).to.deep.include({ state: 'held', mountIds: ['c2'] });
    expect(script.kernelMount('n1')?.usable).to.equal(true);
  });

  it('12: what is held without a record is cut off, its users too, and released', async () => {
    const script = new Script();
    const { uid } = await script.create('vol', 'n1');
    const { path } = await script.settle(script.mount('n1', 'vol', 'c1'));
    const writer = script.node('n1').kernel.openWriter(path, 'file');
    script.rules(cut('n1', 'm1'), cut('n1', 'm2'));
    await script.until(() => !script.world.checks.hasSession('n1'), 'the session of n1 has ended');
    const api = script.world.managers[0]?.manager.api;
    script.world.checks.onForced(uid);
    await script.settle(
      api?.forceRelease({ name: 'vol', node: 'n1', note: 'its users are stopped' }, script.world.context(5_000)) ??
        Promise.reject(new Error('no manager')),
    );
    expect(writer.write('still')).to.equal('written');
    script.rules();
    await script.until(() => script.world.checks.hasSession('n1'), 'n1 is back');
    await script.pass(1_000);
    expect(writer.write('late')).to.equal('refused');
    expect(script.record('n1', 'vol')).to.equal(undefined);
    expect(script.kernelMount('n1')).to.equal(undefined);
    await script.settle(script.mount('n2', 'vol', 'c2'));
  });

  it('12: a manager whose memory is behind calls nothing "not yours"', async () => {
    const script = new Script();
    const [m1] = script.world.managers;
    await script.create('vol', 'n1');
    await script.pass(500);
    if (m1 !== undefined) m1.watchStuck = true;
    script.rules(requests('claim', 'm1', LOST));
    while (script.record('n1', 'vol')?.state !== 'held') await script.reasonOf(script.mount('n1', 'vol', 'c1'));
    script.rules();
    await script.pass(5_000);
    expect(script.record('n1', 'vol')?.state).to.equal('held');
    expect(script.holders('vol')).to.deep.equal(['n1']);
  });

  it('13: a release is delivered when managers answer again', async () => {
    const script = new Script();
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.rules(cut('n1', 'm1'), cut('n1', 'm2'));
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    expect(script.holders('vol')).to.deep.equal(['n1']);
    script.rules();
    await script.pass(6_000);
    expect(script.holders('vol')).to.deep.equal([]);
    expect(script.node('n1').agent?.agent.book.releases()).to.deep.equal([]);
  });

  it('13: a claim that comes when its node has given it up is undone by the list', async () => {
    const script = new Script();
    await script.create('vol', 'n1');
    script.rules(...onlyClaim('n1', [17_000]));
    expect(await script.reasonOf(script.mount('n1', 'vol', 'c1'))).to.equal('UNKNOWN_OUTCOME');
    await script.until(() => script.holders('vol').length > 0, 'the late claim is granted');
    await script.pass(2_000);
    expect(script.holders('vol')).to.deep.equal([]);
    await script.settle(script.mount('n2', 'vol', 'c2'));
  });
});
