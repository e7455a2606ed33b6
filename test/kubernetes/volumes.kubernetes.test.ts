import { expect } from 'chai';
import { waitFor } from '@volplane/testkit';
import { isPhase, NODES, KubeWorld } from './support/kube-world.js';
import { kubernetesSuite } from './support/kubernetes-suite.js';
import { attributesClass, claim, CLAIMS, pod, PODS, snapshot, SNAPSHOTS, VOLUMES } from './support/objects.js';
import { NAMESPACE, rightsWanted } from './support/sidecars.js';

/** The life of volumes under kubelet, the sidecars and the storage classes of deploy/kubernetes: pods are their only users. */
kubernetesSuite('volumes in Kubernetes', () => {
  let world: KubeWorld;
  before(async function () {
    this.timeout(900_000);
    world = await KubeWorld.start();
  });
  after(async () => {
    await (world as KubeWorld | undefined)?.stop();
  });

  it('the account of the manifests may do whatever its sidecars may want to do', async () => {
    const missing: string[] = [];
    for (const { verb, resource, sidecar } of await rightsWanted()) {
      const account = `--as=system:serviceaccount:${NAMESPACE}:volplane-controller`;
      const [name = '', part] = resource.split('/');
      const asked = ['auth', 'can-i', verb, name, ...(part === undefined ? [] : [`--subresource=${part}`])];
      // One after the other: each starts a process.
      const { stdout } = await world.api.tryKubectl([...asked, account, `--namespace=${NAMESPACE}`]);
      if (!stdout.startsWith('yes')) missing.push(`${verb} ${resource} (${sidecar})`);
    }
    expect(missing).to.deep.equal([]);
  });

  it('nodes tell their topology, and how much room each has is told in the name of the deployment', async () => {
    const { api } = world;
    for (const node of NODES) {
      const told = await api.until(
        `/apis/storage.k8s.io/v1/csinodes/${node}`,
        'the plugin is on the node',
        (object) => driversOf(object).length > 0,
      );
      expect(driversOf(told)).to.deep.equal([
        { name: 'csi.volplane.io', nodeID: node, topologyKeys: ['csi.volplane.io/node', 'csi.volplane.io/zone'] },
      ]);
    }
    const room = await waitFor(
      async () => {
        const all = await api.list(`/apis/storage.k8s.io/v1/namespaces/${NAMESPACE}/csistoragecapacities`);
        return NODES.every((node) => all.some((one) => JSON.stringify(one['nodeTopology']).includes(`"${node}"`))) && all;
      },
      { what: 'each node has an object that says its room' },
    );
    for (const one of room) {
      expect(one.metadata.ownerReferences?.map(({ kind, name }) => `${kind} ${name}`)).to.deep.equal(['Deployment volplane-controller']);
    }
  });

  it('a volume is made where its pod is put, and not before; the next pod reads what that one wrote', async () => {
    const { api } = world;
    await api.apply(claim('first', 'volplane-local'));
    await api.untilEvent('first', /waiting for first consumer/i);
    expect(await world.volctl('ls')).to.not.contain('pvc-');
    await api.apply(pod('writer', { claim: 'first', node: 'n2', command: 'echo hello > /data/file && df /data' }));
    await api.until(`${PODS}/writer`, 'the writer is done', isPhase('Succeeded'));
    const { spec } = await api.until(`${CLAIMS}/first`, 'the claim is bound', isPhase('Bound'));
    const volume = await api.find(`${VOLUMES}/${String(spec?.['volumeName'])}`);
    expect(JSON.stringify(volume?.spec?.['nodeAffinity'])).to.contain('csi.volplane.io/node').and.contain('n2').and.not.contain('n1');
    await api.kubectl(['delete', 'pod', 'writer']);
    // Nothing but the volume says where it has to be.
    await api.apply(pod('reader', { claim: 'first', command: 'cat /data/file' }));
    const reader = await api.until(`${PODS}/reader`, 'the reader is done', isPhase('Succeeded'));
    expect(reader.spec?.['nodeName']).to.equal('n2');
    expect(await api.kubectl(['logs', 'reader'])).to.equal('hello\n');
  });

  it('a claim that is deleted takes its volume along, once no pod uses it', async () => {
    const { api } = world;
    const { spec } = await api.until(`${CLAIMS}/first`, 'the claim is bound', isPhase('Bound'));
    const name = String(spec?.['volumeName']);
    expect(await world.volctl('ls')).to.contain(name);
    await api.kubectl(['delete', 'pod/reader', 'pvc/first']);
    await api.untilGone(`${VOLUMES}/${name}`);
    expect(await world.volctl('ls')).to.not.contain(name);
  });

  it('a claim that grows is grown under the pod that uses it', async () => {
    const { api } = world;
    await api.apply(claim('growing', 'volplane-local', { mib: 300 }), pod('grower', { claim: 'growing' }));
    await api.until(`${PODS}/grower`, 'the pod runs', isPhase('Running'));
    const before = await sizeMib('grower');
    await api.kubectl(['patch', 'pvc', 'growing', '-p', JSON.stringify({ spec: { resources: { requests: { storage: '600Mi' } } } })]);
    await api.until(`${CLAIMS}/growing`, 'the claim has grown', hasRoom('600Mi'));
    await waitFor(async () => (await sizeMib('grower')) > before + 200, { what: 'the pod sees the room' });
  });

  it('a snapshot becomes a volume with what was there when it was cut', async () => {
    const { api } = world;
    await api.kubectl(['exec', 'grower', '--', 'sh', '-c', 'echo old > /data/file && sync']);
    await api.apply(snapshot('cut', 'growing'));
    await api.until(`${SNAPSHOTS}/cut`, 'the snapshot is ready', ({ status }) => status?.['readyToUse'] === true);
    await api.kubectl(['exec', 'grower', '--', 'sh', '-c', 'echo new > /data/file && sync']);
    const dataSource = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'cut' };
    await api.apply(
      claim('restored', 'volplane-local', { mib: 600, spec: { dataSource } }),
      pod('restorer', { claim: 'restored', command: 'cat /data/file' }),
    );
    await api.until(`${PODS}/restorer`, 'the pod is done', isPhase('Succeeded'));
    expect(await api.kubectl(['logs', 'restorer'])).to.equal('old\n');
  });

  it('a claim that is deleted before its snapshots says why its volume stays, and goes when they have gone', async () => {
    const { api } = world;
    const { spec } = await api.until(`${CLAIMS}/growing`, 'the claim is bound', isPhase('Bound'));
    const name = String(spec?.['volumeName']);
    await api.kubectl(['delete', 'pod/grower', 'pod/restorer', 'pvc/growing', 'pvc/restored']);
    expect(await api.untilEvent(name, /snapshot/)).to.contain(name);
    await api.kubectl(['delete', 'volumesnapshot', 'cut']);
    await api.untilGone(`${VOLUMES}/${name}`, 240_000);
  });

  it('a pod keeps its mount while kubelet is killed and started anew, and while the agent is', async () => {
    const { api, nodes, cluster } = world;
    const writing = 'i=0; trap "exit 0" TERM; while true; do i=$((i+1)); echo $i > /data/count || exit 1; sleep 1; done';
    await api.apply(claim('kept', 'volplane-local'), pod('keeper', { claim: 'kept', node: 'n1', command: writing }));
    const started = await api.until(`${PODS}/keeper`, 'the pod runs', isPhase('Running'));
    await nodes.n1.killKubelet();
    await nodes.n1.startKubelet(world.configOf('n1'));
    await grows('keeper');
    await cluster.kill('n1');
    await grows('keeper');
    await cluster.startAgent('n1');
    await grows('keeper');
    const present = await api.find(`${PODS}/keeper`);
    expect(present?.status?.['containerStatuses']).to.deep.equal(started.status?.['containerStatuses']);
    await api.kubectl(['delete', 'pod/keeper', 'pvc/kept']);
    const { spec } = present ?? {};
    expect(spec?.['nodeName']).to.equal('n1');
    await waitFor(async () => !(await world.volctl('ls')).includes('pvc-'), { what: 'no volume is left' });
  });

  it('a pod that is deleted while the agent is down goes when it is back, and kubelet finds the plugin again by itself', async () => {
    const { api, nodes, cluster } = world;
    await api.apply(claim('late', 'volplane-local'), pod('leaver', { claim: 'late', node: 'n2' }));
    await api.until(`${PODS}/leaver`, 'the pod runs', isPhase('Running'));
    await cluster.kill('n2');
    await nodes.n2.killKubelet();
    await nodes.n2.startKubelet(world.configOf('n2'));
    await api.kubectl(['delete', 'pod', 'leaver', '--wait=false']);
    await api.until(`${PODS}/leaver`, 'its containers have ended', ({ status }) =>
      JSON.stringify(status?.['containerStatuses']).includes('terminated'),
    );
    await cluster.startAgent('n2');
    await api.untilGone(`${PODS}/leaver`);
    await api.kubectl(['delete', 'pvc', 'late']);
    await waitFor(async () => !(await world.volctl('ls')).includes('pvc-'), { what: 'no volume is left' });
  });

  it('a group that the pod names may write without being root', async () => {
    const { api } = world;
    const spec = { securityContext: { runAsUser: 1234, runAsGroup: 1234, fsGroup: 4321 } };
    const command = 'id && touch /data/file && ls -ln /data && stat -c %g /data/file';
    await api.apply(claim('owned', 'volplane-local'), pod('owner', { claim: 'owned', command, spec }));
    await api.until(`${PODS}/owner`, 'the pod is done', isPhase('Succeeded'));
    expect((await api.kubectl(['logs', 'owner'])).trim().split('\n').at(-1)).to.equal('4321');
    await api.kubectl(['delete', 'pod/owner', 'pvc/owned']);
  });

  it('a block device is one for its pod, and grows under it', async () => {
    const { api } = world;
    const mount = { volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] };
    await api.apply(claim('raw', 'volplane-block', { spec: { volumeMode: 'Block' } }), pod('blocker', { claim: 'raw', mount }));
    await api.until(`${PODS}/blocker`, 'the pod runs', isPhase('Running'));
    expect(Number(await api.kubectl(['exec', 'blocker', '--', 'blockdev', '--getsize64', '/dev/data']))).to.equal(300 * 2 ** 20);
    await api.kubectl(['patch', 'pvc', 'raw', '-p', JSON.stringify({ spec: { resources: { requests: { storage: '400Mi' } } } })]);
    await api.until(`${CLAIMS}/raw`, 'the claim has grown', hasRoom('400Mi'));
    expect(Number(await api.kubectl(['exec', 'blocker', '--', 'blockdev', '--getsize64', '/dev/data']))).to.equal(400 * 2 ** 20);
    await api.kubectl(['delete', 'pod/blocker', 'pvc/raw']);
  });

  it('a class of attributes changes the takeover policy, and one with what cannot be changed is refused by name', async () => {
    const { api } = world;
    await api.apply(
      attributesClass('by-lease', { takeover: 'lease', 'label/tier': 'gold' }),
      attributesClass('bigger', { size: '5g' }),
      claim('changing', 'disk-manual', { mib: 64 }),
    );
    const { spec } = await api.until(`${CLAIMS}/changing`, 'the claim is bound', isPhase('Bound'));
    await api.kubectl(['patch', 'pvc', 'changing', '-p', JSON.stringify({ spec: { volumeAttributesClassName: 'by-lease' } })]);
    await api.untilEvent('changing', /VolumeModifySuccessful/);
    expect(await world.volctl('inspect', String(spec?.['volumeName'])))
      .to.match(/takeover:\s+lease/)
      .and.contain('tier=gold');
    await api.kubectl(['patch', 'pvc', 'changing', '-p', JSON.stringify({ spec: { volumeAttributesClassName: 'bigger' } })]);
    expect(await api.untilEvent('changing', /VolumeModifyFailed/)).to.contain('parameter size cannot be changed');
    await api.kubectl(['delete', 'pvc/changing']);
    await waitFor(async () => !(await world.volctl('ls')).includes('pvc-'), { what: 'no volume is left' });
  });

  it('a volume for readers alone cannot be written, whatever the pod asks for', async () => {
    const { api } = world;
    const command = 'touch /data/file && exit 1; grep " /data " /proc/mounts';
    await api.apply(claim('readable', 'volplane-shared', { modes: ['ReadOnlyMany'] }), pod('reading', { claim: 'readable', command }));
    await api.until(`${PODS}/reading`, 'the pod is done', isPhase('Succeeded'));
    expect(await api.kubectl(['logs', 'reading'])).to.contain('Read-only file system');
    await api.kubectl(['delete', 'pod/reading', 'pvc/readable']);
  });

  it('every node writes a shared volume at once', async () => {
    const { api } = world;
    await api.apply(claim('common', 'volplane-shared', { modes: ['ReadWriteMany'] }));
    for (const node of NODES) {
      await api.apply(
        pod(`sharer-${node}`, {
          claim: 'common',
          node,
          command: `echo ${node} > /data/${node}; while ! cat /data/n1 /data/n2; do sleep 1; done`,
        }),
      );
    }
    for (const node of NODES) await api.until(`${PODS}/sharer-${node}`, 'it has read both', isPhase('Succeeded'));
    await api.kubectl(['delete', 'pod/sharer-n1', 'pod/sharer-n2', 'pvc/common']);
    await waitFor(async () => !(await world.volctl('ls')).includes('pvc-'), { what: 'no volume is left' });
  });

  /** What the pod sees of its file system. */
  async function sizeMib(name: string): Promise<number> {
    const text = await world.api.kubectl(['exec', name, '--', 'df', '-m', '/data']);
    return Number(text.trim().split('\n').at(-1)?.split(/\s+/)[1]);
  }

  /** The pod writes on. */
  async function grows(name: string): Promise<void> {
    const count = async (): Promise<number> => Number(await world.api.kubectl(['exec', name, '--', 'cat', '/data/count']));
    const first = await waitFor(count, { what: 'the pod can be asked' });
    await waitFor(async () => (await count()) > first + 1, { what: 'the pod writes on' });
  }
});

function driversOf(node: { readonly spec?: Readonly<Record<string, unknown>> }): readonly object[] {
  return (node.spec?.['drivers'] ?? []) as readonly object[];
}

function hasRoom(storage: string): (object: { readonly status?: Readonly<Record<string, unknown>> }) => boolean {
  return ({ status }) => (status?.['capacity'] as { readonly storage?: string } | undefined)?.storage === storage;
}
