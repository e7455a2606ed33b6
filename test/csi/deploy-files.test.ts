import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { settingRows } from '@volplane/base';
import { CSI_DEFAULTS, parseEndpoint } from '@volplane/csi';
import { VERSIONS } from '../../deploy/dev/setup/kubernetes-tools.mjs';
import { AGENT_SETTINGS } from '../../services/agent/src/config.js';
import { MANAGER_SETTINGS } from '../../services/manager/src/config.js';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));

interface PluginConfig {
  readonly interface: { readonly socket: string; readonly types: readonly string[] };
  readonly propagatedMount: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: readonly { readonly destination: string; readonly options: readonly string[] }[];
}

async function files(folder: string): Promise<readonly { readonly name: string; readonly text: string }[]> {
  const names = await readdir(join(DEPLOY, folder));
  return await Promise.all(
    names.map(async (name) => ({ name: `${folder}/${name}`, text: await readFile(join(DEPLOY, folder, name), 'utf8') })),
  );
}

/** The examples are read by machines that are not here: what can be checked of them without, is. */
describe('the orchestrators’ examples', () => {
  const known = [...settingRows(MANAGER_SETTINGS, 'VOLPLANE_MANAGER'), ...settingRows(AGENT_SETTINGS, 'VOLPLANE_AGENT')].join('\n');

  for (const folder of ['kubernetes', 'nomad', 'swarm']) {
    it(`of ${folder} set nothing that managers and agents do not read`, async () => {
      const used = (await files(folder)).flatMap(({ text }) => text.match(/\bVOLPLANE_(MANAGER|AGENT)_[A-Z_]+\b/g) ?? []);
      expect(used.length).to.be.above(3);
      expect([...new Set(used)].filter((name) => !known.includes(`\`${name}\``))).to.deep.equal([]);
    });
  }

  it('of kubernetes are objects that kustomize finds, all but those that need more than every cluster has', async () => {
    const all = await files('kubernetes');
    for (const { name, text } of all) {
      for (const document of parseAllDocuments(text)) {
        expect(document.errors, name).to.deep.equal([]);
        const object = document.toJS() as { readonly apiVersion?: string; readonly kind?: string };
        expect(object.apiVersion, name).to.be.a('string');
        expect(object.kind, name).to.be.a('string');
      }
    }
    const kustomization = all.find(({ name }) => name.endsWith('kustomization.yaml'))?.text ?? '';
    const { resources } = parse(kustomization) as { readonly resources: readonly string[] };
    const apart = ['kustomization.yaml', 'snapshot-class.yaml'];
    expect([...resources, ...apart].sort()).to.deep.equal(all.map(({ name }) => basename(name)).sort());
  });

  it('of kubernetes name the plugin as it names itself', async () => {
    const texts = Object.fromEntries((await files('kubernetes')).map(({ name, text }) => [basename(name), text]));
    expect(texts['csi-driver.yaml']).to.contain(`name: ${CSI_DEFAULTS.name}`);
    expect(texts['storage-classes.yaml']?.match(/^provisioner: .*$/gm)).to.deep.equal(Array(2).fill(`provisioner: ${CSI_DEFAULTS.name}`));
    expect(texts['snapshot-class.yaml']).to.contain(`driver: ${CSI_DEFAULTS.name}`);
    expect(texts['node.yaml']).to.contain(`--kubelet-registration-path=/var/lib/kubelet/plugins/${CSI_DEFAULTS.name}/csi.sock`);
  });

  it('of kubernetes name the sidecars’ versions that a real Kubernetes is tested with', async () => {
    const images = (await files('kubernetes')).flatMap(({ text }) => text.match(/\bsig-storage\/csi-[a-z]+:v[0-9.]+/g) ?? []);
    const tested = (['provisioner', 'attacher', 'resizer', 'snapshotter'] as const).map(
      (name) => `sig-storage/csi-${name}:${VERSIONS[name]}`,
    );
    expect(images).to.deep.equal(tested);
  });

  it('keep the mounts of an agent in a container on the host', async () => {
    const [node] = (await files('kubernetes')).filter(({ name }) => name.endsWith('node.yaml'));
    for (const path of ['/var/lib/volplane', '/var/lib/kubelet']) {
      expect(node?.text).to.match(new RegExp(`mountPath: ${path}, mountPropagation: Bidirectional`));
    }
    const [job] = (await files('nomad')).filter(({ name }) => name.endsWith('node.nomad.hcl'));
    expect(job?.text).to.contain('propagation = "rshared"');
  });

  it('of swarm fit what an engine does with a plugin', async () => {
    const config = JSON.parse(await readFile(join(DEPLOY, 'swarm', 'config.json'), 'utf8')) as PluginConfig;
    expect(config.interface.types).to.deep.equal(['docker.csicontroller/1.0', 'docker.csinode/1.0']);
    expect(config.propagatedMount).to.equal('/data/published');
    const endpoint = config.env.find(({ name }) => name === 'CSI_ENDPOINT')?.value ?? '';
    expect(basename(parseEndpoint(endpoint))).to.equal(config.interface.socket);
    // The engine looks for it in a folder that is named by 64 characters.
    expect(parseEndpoint(`/run/docker/plugins/${'0'.repeat(64)}/${config.interface.socket}`).length).to.be.below(108);
    expect(config.mounts.find(({ destination }) => destination === '/var/lib/volplane')?.options).to.include('rshared');
  });
});
