import { expect } from 'chai';
import { fakeApi, refusal } from '@volplane/testkit';
import { CsiWorld, mount } from './support/csi-world.js';
import type { WireVolume } from '../src/messages.js';

const CONTEXT = { signal: new AbortController().signal, timeoutMs: 10_000 };

describe('csi controller publish', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  const publish = (volume: WireVolume, node: string, mode = 1, more: object = {}): object => ({
    volume_id: volume.volume_id,
    node_id: node,
    volume_capability: mount(mode),
    ...more,
  });
  const unpublish = (volume: WireVolume, node: string): object => ({ volume_id: volume.volume_id, node_id: node });

  it('lets the agent of the node claim, once however often it is called', async () => {
    const volume = await world.createVolume('v1');
    for (let round = 0; round < 3; round += 1) await world.call('ControllerPublishVolume', publish(volume, 'n1'));
    expect(world.uses(volume)).to.deep.equal(['csi-attach:rw']);
    await world.call('ControllerUnpublishVolume', unpublish(volume, 'n1'));
    await world.call('ControllerUnpublishVolume', unpublish(volume, 'n1'));
    expect(world.uses(volume)).to.deep.equal([]);
  });

  it('of a single-node volume to a second node is FAILED_PRECONDITION and names the holder', async () => {
    const volume = await world.createVolume('v1');
    await world.call('ControllerPublishVolume', publish(volume, 'n1'));
    const refused = await world.refused('FAILED_PRECONDITION', 'ControllerPublishVolume', publish(volume, 'n2'));
    expect(refused.message).to.contain('n1');
  });

  it('is refused while another door holds the volume, and the other way round', async () => {
    const volume = await world.createVolume('v1');
    const docker = fakeApi(world.cluster, 'n2');
    await docker.mountVolume({ name: 'v1', mountId: 'container-1' }, CONTEXT);
    await world.refused('FAILED_PRECONDITION', 'ControllerPublishVolume', publish(volume, 'n1'));
    await docker.unmountVolume({ name: 'v1', mountId: 'container-1' }, CONTEXT);
    await world.call('ControllerPublishVolume', publish(volume, 'n1'));
    let reason: unknown;
    await docker.mountVolume({ name: 'v1', mountId: 'container-1' }, CONTEXT).catch((error: unknown) => {
      reason = error;
    });
    expect(reason).to.have.property('reason', 'VOLUME_HELD');
  });

  it('of one writer and many readers lets the readers beside the writer', async () => {
    const volume = await world.createVolume('v1', { volume_capabilities: [mount(4)] });
    await world.call('ControllerPublishVolume', publish(volume, 'n1', 4));
    await world.call('ControllerPublishVolume', publish(volume, 'n2', 4, { readonly: true }));
    expect(world.uses(volume, 'n2')).to.deep.equal(['csi-attach:ro']);
  });

  it('the other way about on the same node is ALREADY_EXISTS', async () => {
    const volume = await world.createVolume('v1');
    await world.call('ControllerPublishVolume', publish(volume, 'n1'));
    await world.refused('ALREADY_EXISTS', 'ControllerPublishVolume', publish(volume, 'n1', 1, { readonly: true }));
  });

  it('in a mode that the volume does not allow is FAILED_PRECONDITION', async () => {
    const volume = await world.createVolume('v1');
    await world.refused('FAILED_PRECONDITION', 'ControllerPublishVolume', publish(volume, 'n1', 5));
  });

  it('to an unknown node is NOT_FOUND', async () => {
    const volume = await world.createVolume('v1');
    await world.refused('NOT_FOUND', 'ControllerPublishVolume', publish(volume, 'some-fake-node-id'));
    world.cluster.fail('getNode', refusal('INVALID_NAME'));
    await world.refused('NOT_FOUND', 'ControllerPublishVolume', publish(volume, 'n1'));
  });

  it('to a node that does not answer is UNAVAILABLE', async () => {
    const volume = await world.createVolume('v1');
    world.cluster.node('n2').state = 'silent';
    await world.refused('UNAVAILABLE', 'ControllerPublishVolume', publish(volume, 'n2'));
  });

  it('with an unknown outcome is UNAVAILABLE, never INTERNAL', async () => {
    const volume = await world.createVolume('v1');
    world.cluster.fail('mountVolume', refusal('UNKNOWN_OUTCOME'));
    await world.refused('UNAVAILABLE', 'ControllerPublishVolume', publish(volume, 'n1'));
  });

  it('to a full node is RESOURCE_EXHAUSTED, and repeating what is there is not', async () => {
    world.cluster.node('n1').labels = { 'volplane.csi/max-volumes': '2' };
    const volumes: WireVolume[] = [];
    for (const name of ['v1', 'v2', 'v3']) volumes.push(await world.createVolume(name));
    const [one, two, three] = volumes as [WireVolume, WireVolume, WireVolume];
    await world.call('ControllerPublishVolume', publish(one, 'n1'));
    await world.call('ControllerPublishVolume', publish(two, 'n1'));
    await world.refused('RESOURCE_EXHAUSTED', 'ControllerPublishVolume', publish(three, 'n1'));
    await world.call('ControllerPublishVolume', publish(two, 'n1'));
  });

  describe('undone', () => {
    it('without a node is undone on all of them', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [mount(5)] });
      await world.call('ControllerPublishVolume', publish(volume, 'n1', 5));
      await world.call('ControllerPublishVolume', publish(volume, 'n2', 5));
      await world.call('ControllerUnpublishVolume', { volume_id: volume.volume_id });
      expect(world.cluster.find('v1')?.held.size).to.equal(0);
    });

    it('on one of two nodes leaves the other', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [mount(5)] });
      for (const node of ['n1', 'n2']) await world.call('ControllerPublishVolume', publish(volume, node, 5));
      await world.call('ControllerUnpublishVolume', unpublish(volume, 'n1'));
      expect([...(world.cluster.find('v1')?.held.keys() ?? [])]).to.deep.equal(['n2']);
    });

    it('for an unknown node is fine', async () => {
      const volume = await world.createVolume('v1');
      await world.call('ControllerUnpublishVolume', unpublish(volume, 'some-fake-node-id'));
      world.cluster.fail('getVolume', refusal('INVALID_NAME'), 2);
      await world.call('ControllerUnpublishVolume', unpublish(volume, 'n1'));
    });

    it('leaves what other doors use on the node', async () => {
      const volume = await world.createVolume('v1');
      await world.call('ControllerPublishVolume', publish(volume, 'n1'));
      await fakeApi(world.cluster, 'n1').mountVolume({ name: 'v1', mountId: 'container-1' }, CONTEXT);
      await world.call('ControllerUnpublishVolume', unpublish(volume, 'n1'));
      expect(world.uses(volume)).to.deep.equal(['container-1']);
    });

    it('while a target is published is FAILED_PRECONDITION and names the target', async () => {
      const volume = await world.createVolume('v1');
      await world.publish(volume, '/pods/p1/mount');
      const refused = await world.refused('FAILED_PRECONDITION', 'ControllerUnpublishVolume', unpublish(volume, 'n1'));
      expect(refused.message).to.contain('/pods/p1/mount');
      expect(world.uses(volume)).to.have.length(3);
    });
  });

  describe('undone for a node that does not answer', () => {
    async function heldBy(node: string, takeover: string): Promise<WireVolume> {
      const volume = await world.createVolume('v1', { parameters: { takeover } });
      await world.call('ControllerPublishVolume', publish(volume, node));
      return volume;
    }

    it('but has a session is UNAVAILABLE: it may be back in a moment', async () => {
      const volume = await heldBy('n2', 'lease');
      world.cluster.node('n2').state = 'silent';
      await world.refused('UNAVAILABLE', 'ControllerUnpublishVolume', unpublish(volume, 'n2'));
    });

    it('for a moment and is connected is UNAVAILABLE', async () => {
      const volume = await heldBy('n2', 'lease');
      world.cluster.fail('unmountVolume', refusal('NODE_UNAVAILABLE'));
      await world.refused('UNAVAILABLE', 'ControllerUnpublishVolume', unpublish(volume, 'n2'));
      expect(world.cluster.find('v1')?.held.size).to.equal(1);
    });

    it('and is gone succeeds on the evidence of its ended lease', async () => {
      const volume = await heldBy('n2', 'lease');
      world.cluster.node('n2').state = 'gone';
      await world.call('ControllerUnpublishVolume', unpublish(volume, 'n2'));
      expect(world.cluster.find('v1')?.evidence.map((evidence) => evidence.kind)).to.deep.equal(['C']);
    });

    it('and is gone without evidence is FAILED_PRECONDITION, and says what would free it', async () => {
      const volume = await heldBy('n2', 'manual');
      world.cluster.node('n2').state = 'gone';
      const refused = await world.refused('FAILED_PRECONDITION', 'ControllerUnpublishVolume', unpublish(volume, 'n2'));
      expect(refused.message).to.contain('no evidence').and.contain('declare n2 lost');
      expect(world.cluster.find('v1')?.held.size).to.equal(1);
    });

    for (const reason of ['VOLUME_HELD', 'TAKEOVER_BRAKE', 'UNGUARDED', 'CAPABILITY_MISSING'] as const) {
      it(`and is gone, with ${reason} in the way, is FAILED_PRECONDITION`, async () => {
        const volume = await heldBy('n2', 'lease');
        world.cluster.node('n2').state = 'gone';
        world.cluster.fail('releaseGone', refusal(reason));
        const refused = await world.refused('FAILED_PRECONDITION', 'ControllerUnpublishVolume', unpublish(volume, 'n2'));
        expect(refused.message).to.contain('no evidence').and.contain(reason);
        expect(world.cluster.find('v1')?.held.size).to.equal(1);
      });
    }

    it('and is gone with an unknown outcome of the release is UNAVAILABLE', async () => {
      const volume = await heldBy('n2', 'lease');
      world.cluster.node('n2').state = 'gone';
      world.cluster.fail('releaseGone', refusal('UNKNOWN_OUTCOME'));
      await world.refused('UNAVAILABLE', 'ControllerUnpublishVolume', unpublish(volume, 'n2'));
    });

    it('and was declared lost succeeds', async () => {
      const volume = await heldBy('n2', 'manual');
      world.cluster.node('n2').state = 'lost';
      await world.call('ControllerUnpublishVolume', unpublish(volume, 'n2'));
      expect(world.cluster.find('v1')?.evidence.map((evidence) => evidence.kind)).to.deep.equal(['D']);
    });

    it('and holds nothing is fine', async () => {
      const volume = await world.createVolume('v1');
      world.cluster.node('n2').state = 'gone';
      await world.call('ControllerUnpublishVolume', unpublish(volume, 'n2'));
    });

    it('and has the volume on its own disk is FAILED_PRECONDITION', async () => {
      const requirement = { accessibility_requirements: { requisite: [{ segments: { 'csi.volplane.io/node': 'n2' } }] } };
      const volume = await world.createVolume('v1', { parameters: { driver: 'local' }, ...requirement });
      await world.call('ControllerPublishVolume', publish(volume, 'n2'));
      world.cluster.node('n2').state = 'gone';
      const refused = await world.refused('FAILED_PRECONDITION', 'ControllerUnpublishVolume', unpublish(volume, 'n2'));
      expect(refused.message).to.contain('lives on node n2');
    });
  });
});
