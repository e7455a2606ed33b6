import { expect } from 'chai';
import { answers, cut, LOST, onlyClaim, requests, Script, TTL_MS } from './script.js';

/** The shortest ways in which mounts go wrong without the rules of docs/ownership.md; the number is the rule's. */
describe('traces of mounts', () => {
  let script: Script;

  beforeEach(() => {
    script = new Script();
  });

  /** A mount on `node` by way of a manager. */
  const routed = (node: string, mountId: string): Promise<{ readonly seq: number }> => {
    const api = script.world.managers[0]?.manager.api;
    return (
      api?.mountVolume({ name: 'vol', node, mountId, mode: 'rw' }, script.world.context(20_000)) ?? Promise.reject(new Error('no manager'))
    );
  };
  const mounts = (node: string): number => script.node(node).agent?.driver.calls.filter(({ method }) => method === 'mount').length ?? 0;

  it('6: a mount whose agent dies right behind it is cut off before it can be taken over', async () => {
    await script.create('vol', 'n1', 'lease');
    script.world.weather.diskDelayMsMax = 500;
    const mounting = script.mount('n1', 'vol', 'c1').catch(() => undefined);
    await script.until(() => script.kernelMount('n1') !== undefined, 'it is mounted');
    script.world.killAgent(script.node('n1'));
    await script.until(() => !script.world.checks.hasSession('n1'), 'the session of n1 has ended');
    expect(script.kernelMount('n1')).to.equal(undefined);
    await script.settle(script.mount('n2', 'vol', 'c2'));
    await Promise.race([mounting, Promise.resolve()]);
  });

  it('6: an agent that comes back leaves nothing lease-bound unarmed', async () => {
    await script.create('vol', 'n1', 'lease');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    const node = script.node('n1');
    script.world.killAgent(node);
    script.world.killGuardian(node);
    node.guardianFile = { mounts: [] };
    script.world.startGuardian(node);
    script.world.startAgent(node);
    await script.pass(300);
    expect(node.guardianFile.mounts).to.have.length(1);
    await script.loseAgent('n1');
    expect(script.kernelMount('n1')).to.equal(undefined);
  });

  it('7: no mount is begun that might not be through before the deadline', async () => {
    await script.create('vol', 'n1', 'lease');
    script.rules(requests('heartbeat', 'n1', LOST), ...onlyClaim('n1', [1]), answers('"takeover":"lease"', 'n1', [1_300], 1));
    expect(await script.reasonOf(script.mount('n1', 'vol', 'c1'))).to.equal('SESSION_LOST');
    expect(mounts('n1')).to.equal(0);
    script.rules();
    await script.pass(2 * TTL_MS);
    await script.settle(script.mount('n1', 'vol', 'c1'));
  });

  it('7: a mount that appears behind its deadline is cut off and never answered', async () => {
    await script.create('vol', 'n1', 'lease');
    script.world.driverScript = (method) => (method === 'mount' ? { kind: 'slow', delayMs: 6_000 } : undefined);
    const mounting = script.reasonOf(script.mount('n1', 'vol', 'c1'));
    await script.pass(20);
    script.rules(cut('n1', 'm1'), cut('n1', 'm2'));
    expect(await mounting).to.equal('SESSION_LOST');
    await script.pass(300);
    expect(script.kernelMount('n1')).to.equal(undefined);
  });

  it('8: a routed mount whose message comes twice is begun once', async () => {
    await script.create('vol', 'n1');
    script.rules(requests('mount', 'n1', [1, 600], 1));
    await script.settle(routed('n1', 'c1'));
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    await script.pass(2_000);
    expect(mounts('n1')).to.equal(1);
    expect(script.record('n1', 'vol')).to.equal(undefined);
    expect(script.holders('vol')).to.deep.equal([]);
  });

  it('8: a routed mount that comes too late is not begun', async () => {
    await script.create('vol', 'n1');
    script.rules(requests('mount', 'n1', [6_000], 1));
    expect(await script.reasonOf(routed('n1', 'c1'))).to.equal('DEADLINE_EXCEEDED');
    expect(mounts('n1')).to.equal(0);
  });

  it('9: a repeated mount whose file system broke is told so, and not answered with its path', async () => {
    await script.create('vol', 'n1');
    const { path } = await script.settle(script.mount('n1', 'vol', 'c1'));
    script.node('n1').kernel.fail(path);
    expect(await script.reasonOf(script.mount('n1', 'vol', 'c1'))).to.equal('MOUNT_UNUSABLE');
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    await script.settle(script.mount('n1', 'vol', 'c1'));
    expect(mounts('n1')).to.equal(2);
  });

  it('10: a routed unmount that comes late ends no newer mount', async () => {
    await script.create('vol', 'n1');
    const { seq } = await script.settle(script.mount('n1', 'vol', 'c1'));
    script.rules(requests('call', 'n1', [1, 1_000], 1));
    const api = script.world.managers[0]?.manager.api;
    await script.settle(
      api?.unmountVolume({ name: 'vol', node: 'n1', mountId: 'c1', seq }, script.world.context(5_000)) ??
        Promise.reject(new Error('no manager')),
    );
    await script.settle(script.mount('n1', 'vol', 'c1'));
    await script.pass(2_000);
    expect(script.record('n1', 'vol')).to.deep.include({ state: 'held', mountIds: ['c1'] });
  });

  it('10: an operator’s word that comes late ends no newer mount', async () => {
    const { uid } = await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.rules(requests('force-release', 'n1', [1, 1_000], 1));
    const api = script.world.managers[0]?.manager.api;
    script.world.checks.onForced(uid);
    await script.settle(
      api?.forceRelease({ name: 'vol', node: 'n1', note: 'wanted back' }, script.world.context(5_000)) ??
        Promise.reject(new Error('no manager')),
    );
    await script.settle(script.mount('n1', 'vol', 'c2'));
    await script.pass(2_000);
    expect(script.record('n1', 'vol')).to.deep.include({ state: 'held', mountIds: ['c2'] });
    expect(script.kernelMount('n1')?.usable).to.equal(true);
  });

  it('14: an id that joins while another leaves keeps its mount', async () => {
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.world.weather.mountDelayMsMax = 400;
    const leaving = script.unmount('n1', 'vol', 'c1');
    const joining = script.mount('n1', 'vol', 'c2');
    await script.settle(Promise.all([leaving, joining]));
    expect(script.record('n1', 'vol')).to.deep.include({ state: 'held', mountIds: ['c2'] });
    expect(script.kernelMount('n1')?.usable).to.equal(true);
  });

  it('14: an unmount that comes twice ends nobody else’s mount', async () => {
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    await script.settle(script.mount('n1', 'vol', 'c2'));
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    expect(script.record('n1', 'vol')).to.deep.include({ state: 'held', mountIds: ['c2'] });
    expect(script.kernelMount('n1')?.usable).to.equal(true);
  });

  it('14: an id that was answered is known to the next life of the agent', async () => {
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    await script.settle(script.mount('n1', 'vol', 'c2'));
    script.world.killAgent(script.node('n1'));
    script.world.startAgent(script.node('n1'));
    await script.until(() => script.node('n1').agent !== undefined, 'the agent is back');
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    expect(script.record('n1', 'vol')).to.deep.include({ state: 'held', mountIds: ['c2'] });
    expect(script.kernelMount('n1')?.usable).to.equal(true);
  });

  it('14: nothing is released while the kernel still has it mounted', async () => {
    await script.create('vol', 'n1');
    const { path } = await script.settle(script.mount('n1', 'vol', 'c1'));
    const writer = script.node('n1').kernel.openWriter(path, 'file');
    expect(await script.reasonOf(script.unmount('n1', 'vol', 'c1'))).to.equal('DRIVER_FAILED');
    await script.pass(1_000);
    expect(script.holders('vol')).to.deep.equal(['n1']);
    expect(await script.reasonOf(script.mount('n2', 'vol', 'c2'))).to.equal('VOLUME_HELD');
    writer.close();
    await script.settle(script.unmount('n1', 'vol', 'c1'));
    await script.settle(script.mount('n2', 'vol', 'c2'));
  });

  it('14: what a power loss has unmounted is released, and never mounted again', async () => {
    await script.create('vol', 'n1');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.world.powerOff(script.node('n1'));
    script.world.powerOn(script.node('n1'));
    await script.pass(3_000);
    expect(mounts('n1')).to.equal(0);
    expect(script.record('n1', 'vol')).to.equal(undefined);
    expect(script.holders('vol')).to.deep.equal([]);
  });

  it('14: what is mounted for nobody is unmounted and released', async () => {
    await script.create('vol', 'n1');
    script.world.weather.diskDelayMsMax = 500;
    const mounting = script.mount('n1', 'vol', 'c1').catch(() => undefined);
    await script.until(() => script.kernelMount('n1') !== undefined, 'it is mounted');
    script.world.killAgent(script.node('n1'));
    script.world.weather.diskDelayMsMax = 1;
    script.world.startAgent(script.node('n1'));
    await script.pass(3_000);
    expect(script.kernelMount('n1')).to.equal(undefined);
    expect(script.holders('vol')).to.deep.equal([]);
    await Promise.race([mounting, Promise.resolve()]);
  });

  it('19: without its guardian an agent keeps its session, mounts nothing lease-bound, and cuts off at the deadline itself', async () => {
    await script.create('vol', 'n1', 'lease');
    await script.create('other', 'n1', 'lease');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.world.killGuardian(script.node('n1'));
    await script.pass(2 * TTL_MS);
    expect(script.world.checks.hasSession('n1')).to.equal(true);
    expect(script.kernelMount('n1')?.usable).to.equal(true);
    expect(await script.reasonOf(script.mount('n1', 'other', 'c2'))).to.equal('GUARDIAN_DOWN');
    script.rules(cut('n1', 'm1'), cut('n1', 'm2'));
    await script.until(() => !script.world.checks.hasSession('n1'), 'the session of n1 has ended');
    // Begun at the deadline; how long the driver takes is drawn, and nobody takes over meanwhile (20).
    await script.pass(50);
    expect(script.kernelMount('n1')).to.equal(undefined);
  });

  it('19: a guardian that comes back cuts off at once what is past its deadline', async () => {
    await script.create('vol', 'n1', 'lease');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.world.killGuardian(script.node('n1'));
    await script.loseAgent('n1');
    expect(script.kernelMount('n1')?.usable).to.equal(true);
    script.world.startGuardian(script.node('n1'));
    expect(script.kernelMount('n1')).to.equal(undefined);
  });

  it('20: the end of an unguarded node’s session is no evidence', async () => {
    await script.create('vol', 'n1', 'lease');
    await script.settle(script.mount('n1', 'vol', 'c1'));
    script.world.killGuardian(script.node('n1'));
    await script.pass(200);
    await script.loseAgent('n1');
    expect(script.kernelMount('n1')?.usable, 'both are dead: nothing has cut it off').to.equal(true);
    expect(await script.reasonOf(script.mount('n2', 'vol', 'c2'))).to.equal('VOLUME_HELD');
    script.world.startGuardian(script.node('n1'));
    script.world.startAgent(script.node('n1'));
    await script.pass(2 * TTL_MS);
    await script.settle(script.mount('n2', 'vol', 'c2'));
  });
});
