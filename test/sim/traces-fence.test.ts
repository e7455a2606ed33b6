import { expect } from 'chai';
import { Script, TTL_MS } from './script.js';

/** Evidence B from the claim of a mount to the storage: the fence is run by the very node whose mount waits for it. */
describe('traces of fences', () => {
  it('B: a mount elsewhere has the storage refuse the node that is gone, at once', async () => {
    const { script, write } = await heldOnN1();
    await script.loseAgent('n1');
    const beganMs = script.world.time.nowMs;
    const { epoch } = await script.settle(script.mount('n2', 'vol', 'c2'));
    expect(script.world.time.nowMs - beganMs, 'no time-out was waited for').to.be.below(TTL_MS);
    expect(script.document('vol')).to.include({ epoch, owner: 'n2' });
    expect(script.document('vol').evidence.at(-1)).to.include({ kind: 'B', node: 'n1', epoch: epoch - 2 });
    expect(script.holders('vol')).to.deep.equal(['n2']);
    expect(write()).to.equal('refused');
    const other = script.node('n2').kernel.openWriter(script.kernelMount('n2')?.path ?? '', 'file');
    expect(other.write('x')).to.equal('written');
  });

  it('B: a node that is in touch is not fenced, whoever asks', async () => {
    const { script, write } = await heldOnN1();
    expect(await script.reasonOf(script.mount('n2', 'vol', 'c2'))).to.equal('VOLUME_HELD');
    expect(write()).to.equal('written');
  });

  it('B: of two nodes that fence at one moment one is granted, and is not cut off by the other', async () => {
    const { script } = await heldOnN1();
    await script.loseAgent('n1');
    const [two, three] = await script.settle(Promise.allSettled([script.mount('n2', 'vol', 'c2'), script.mount('n3', 'vol', 'c3')]));
    expect([two.status, three.status].sort()).to.deep.equal(['fulfilled', 'rejected']);
    const holder = script.holders('vol')[0] ?? '';
    const writer = script.node(holder).kernel.openWriter(script.kernelMount(holder)?.path ?? '', 'file');
    expect(writer.write('x')).to.equal('written');
  });

  async function heldOnN1(): Promise<{ readonly script: Script; readonly write: () => 'written' | 'refused' }> {
    const script = new Script();
    await script.create('vol', 'n1', 'storage');
    const { path } = await script.settle(script.mount('n1', 'vol', 'c1'));
    const mount = script.kernelMount('n1');
    if (mount !== undefined) script.world.checks.onUseBegan(mount, 'c1');
    const writer = script.node('n1').kernel.openWriter(path, 'file');
    return { script, write: () => writer.write('x') };
  }
});
