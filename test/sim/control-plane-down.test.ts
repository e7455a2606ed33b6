import { expect } from 'chai';
import { Script, TTL_MS } from './script.js';

const TEN_MINUTES_MS = 600_000;

describe('ten minutes without a control plane', () => {
  it('touch no mount but the lease-bound ones, which are cut off at their deadline', async () => {
    const script = new Script();
    const policies = ['manual', 'storage', 'lease'] as const;
    const writers = new Map<string, ReturnType<typeof open>>();
    const open = (path: string): { write(text: string): 'written' | 'refused'; close(): void } =>
      script.node('n1').kernel.openWriter(path, 'file');
    for (const policy of policies) {
      await script.create(`vol-${policy}`, 'n1', policy);
      const { path } = await script.settle(script.mount('n1', `vol-${policy}`, 'c1'));
      writers.set(policy, open(path));
      const mount = script.node('n1').kernel.mounts.find((each) => each.path === path);
      if (mount !== undefined) script.world.checks.onUseBegan(mount, policy);
    }
    const write = (policy: string): 'written' | 'refused' | undefined => writers.get(policy)?.write('x');

    for (const live of [...script.world.managers]) script.world.killManager(live);
    const goneMs = script.world.time.nowMs;
    await script.until(() => write('lease') === 'refused', 'the lease-bound mount is cut off');
    const afterMs = script.world.time.nowMs - goneMs;
    expect(afterMs, 'not before its session could end').to.be.above(TTL_MS / 2);
    expect(afterMs, 'before the lease can end').to.be.at.most(TTL_MS);

    const endMs = goneMs + TEN_MINUTES_MS;
    while (script.world.time.nowMs < endMs) {
      await script.pass(10_000);
      expect([write('manual'), write('storage'), write('lease')]).to.deep.equal(['written', 'written', 'refused']);
    }
    expect(script.node('n1').kernel.mounts.filter((mount) => mount.usable)).to.have.length(2);
    // What is mounted can be joined and left; a new claim fails, and does not wait for anybody.
    await script.settle(script.mount('n1', 'vol-manual', 'c2'));
    await script.settle(script.unmount('n1', 'vol-manual', 'c2'));
    expect(await script.reasonOf(script.mount('n2', 'vol-manual', 'c3'))).to.equal('SESSION_LOST');

    script.world.startManager();
    await script.pass(30_000);
    expect([write('manual'), write('storage')], 'nor when it is back').to.deep.equal(['written', 'written']);
    expect(script.holders('vol-manual')).to.deep.equal(['n1']);
    expect(script.holders('vol-storage')).to.deep.equal(['n1']);
    expect(script.holders('vol-lease')).to.deep.equal([]);
  });
});
