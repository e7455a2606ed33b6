import { expect } from 'chai';
import { waitFor } from '@volplane/testkit';
import { conditionOf, isPhase, KubeWorld } from './support/kube-world.js';
import { kubernetesSuite } from './support/kubernetes-suite.js';
import { claim, CLAIMS, pod, PODS, statefulSet } from './support/objects.js';

const CALL = { signal: new AbortController().signal, timeoutMs: 20_000 };

/** Volumes that one node has at a time, and what users read in events when it is the wrong one, or gone. */
kubernetesSuite('volumes between nodes of Kubernetes', () => {
  let world: KubeWorld;
  before(async function () {
    this.timeout(900_000);
    // One of two nodes is half of them: more than the usual brake lets take over at once.
    world = await KubeWorld.start({ managerArgs: ['--session-ttl-ms=8000', '--brake-share=100'] });
  });
  after(async () => {
    await (world as KubeWorld | undefined)?.stop();
  });

  async function volumeOf(name: string): Promise<string> {
    const { spec } = await world.api.until(`${CLAIMS}/${name}`, 'the claim is bound', isPhase('Bound'));
    return String(spec?.['volumeName']);
  }

  /** What the attacher was told when it detached the volume from where it is. */
  async function detachError(volume: string): Promise<string | undefined> {
    const all = await world.api.list('/apis/storage.k8s.io/v1/volumeattachments');
    // It has one on either node.
    const own = all.filter(({ spec }) => (spec?.['source'] as { readonly persistentVolumeName?: string }).persistentVolumeName === volume);
    const errors = own.map(({ status }) => (status?.['detachError'] as { readonly message?: string } | undefined)?.message);
    return errors.find((message) => message !== undefined);
  }

  it('a pod on the second node waits until the first has let go, and is told whose pod has it', async () => {
    const { api } = world;
    await api.apply(claim('moving', 'disk-manual', { mib: 64 }), pod('here', { claim: 'moving', node: 'n1' }));
    await api.until(`${PODS}/here`, 'the pod runs', isPhase('Running'));
    await api.kubectl(['exec', 'here', '--', 'sh', '-c', 'echo from-n1 > /data/file']);
    await api.apply(pod('there', { claim: 'moving', node: 'n2', command: 'cat /data/file' }));
    expect(await api.untilEvent('there', /Multi-Attach/)).to.contain('here');
    await api.kubectl(['delete', 'pod', 'here']);
    await api.until(`${PODS}/there`, 'the pod is done', isPhase('Succeeded'), 240_000);
    expect(await api.kubectl(['logs', 'there'])).to.equal('from-n1\n');
    await api.kubectl(['delete', 'pod', 'there']);
  });

  it('a pod whose volume is held through another door is told who holds it, and starts when that has ended', async () => {
    const { api, cluster } = world;
    const name = await volumeOf('moving');
    await waitFor(async () => (await cluster.agent('n1').getVolume({ name }, CALL)).attachments.length === 0, {
      what: 'nobody holds the volume',
    });
    await cluster.agent('n2').mountVolume({ name, mountId: 'backup' }, CALL);
    await api.apply(pod('refused', { claim: 'moving', node: 'n1', command: 'cat /data/file' }));
    const told = await api.untilEvent('refused', /AttachVolume.Attach failed/);
    expect(told).to.contain(name).and.contain('n2').and.contain('VOLUME_HELD');
    expect(await world.volctl('explain', name))
      .to.contain('n2')
      .and.contain('backup');
    await cluster.agent('n2').unmountVolume({ name, mountId: 'backup' }, CALL);
    await api.until(`${PODS}/refused`, 'the pod is done', isPhase('Succeeded'), 240_000);
    await api.kubectl(['delete', 'pod/refused', 'pvc/moving']);
  });

  it('when a node is gone, the volume whose lease has ended moves with its pod after the out-of-service taint, and the other waits for somebody’s word', async function () {
    this.timeout(900_000);
    const { api, cluster, nodes } = world;
    for (const policy of ['lease', 'manual']) {
      const command = 'cat /data/file; echo $(date +%s) >> /data/file; sync; trap "exit 0" TERM; while true; do sleep 1; done';
      await api.apply(
        claim(`on-${policy}`, `disk-${policy}`, { mib: 64 }),
        statefulSet(policy, { claim: `on-${policy}`, command, spec: { affinity: PREFERS_N2 } }),
      );
      const present = await api.until(`${PODS}/${policy}-0`, 'the pod runs', isPhase('Running'));
      expect(present.spec?.['nodeName']).to.equal('n2');
    }
    const names = { lease: await volumeOf('on-lease'), manual: await volumeOf('on-manual') };
    await nodes.n2.killKubelet();
    await cluster.kill('n2');
    await api.until('/api/v1/nodes/n2', 'the node is not ready', (node) => conditionOf(node.status, 'Ready') !== 'True');
    await waitFor(async () => (await cluster.agent('n1').getNode({ name: 'n2' }, CALL)).state === 'gone', { what: 'n2 is gone' });
    expect(await world.volctl('explain', names.manual))
      .to.contain('n2 (gone)')
      .and.contain('freed by');
    // What Kubernetes does by itself: the pods are marked, and nothing moves.
    for (const policy of ['lease', 'manual']) {
      await api.until(`${PODS}/${policy}-0`, 'the pod is to be deleted', ({ metadata }) => metadata.deletionTimestamp !== undefined);
    }
    await api.kubectl(['taint', 'nodes', 'n2', 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute']);
    await api.until(`${PODS}/lease-0`, 'it runs on n1', runsOn('n1'), 240_000);
    expect(await world.volctl('explain', names.lease)).to.match(/Evidence:\n.* C n2: /);
    const lines = (await api.kubectl(['exec', 'lease-0', '--', 'cat', '/data/file'])).trim().split('\n');
    expect(lines.length).to.equal(2);

    // The pod is told who holds its volume and what would free it, and the attachment why it stays.
    await api.untilEvent('manual-0', /AttachVolume.Attach failed .* n2 holds it .* declare it lost .*VOLUME_HELD/);
    const told = await waitFor(async () => await detachError(names.manual), {
      what: 'the attachment says why it stays',
      timeoutMs: 120_000,
    });
    expect(told).to.contain('no evidence').and.contain('n2').and.contain('declare');
    const { planRevision } = await cluster.agent('n1').planNodeLost({ name: 'n2' }, CALL);
    await cluster.agent('n1').declareNodeLost({ name: 'n2', planRevision, note: 'power supply burnt' }, CALL);
    await api.until(`${PODS}/manual-0`, 'it runs on n1', runsOn('n1'));
    expect(await world.volctl('explain', names.manual)).to.contain('power supply burnt');
  });
});

/** n1 takes them when n2 cannot. */
const PREFERS_N2 = {
  nodeAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { weight: 100, preference: { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n2'] }] } },
    ],
  },
};

function runsOn(
  node: string,
): (object: { readonly spec?: Readonly<Record<string, unknown>>; readonly status?: Readonly<Record<string, unknown>> }) => boolean {
  return ({ spec, status }) => spec?.['nodeName'] === node && status?.['phase'] === 'Running';
}
