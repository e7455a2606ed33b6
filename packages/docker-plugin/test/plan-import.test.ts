import { AppError } from '@volplane/base';
import { expect } from 'chai';
import type { EngineVolume } from '../src/engine/engine-client.js';
import { planImport, runImport, type ImportEntry, type ImportQuestion } from '../src/index.js';
import { FakeCluster } from './fake-volumes.js';

const CONTEXT = { signal: new AbortController().signal, timeoutMs: 1_000 };
const found = (name: string, fields: Partial<EngineVolume> = {}): EngineVolume => ({
  name,
  driver: 'local',
  scope: 'local',
  mountpoint: `/var/lib/docker/volumes/${name}/_data`,
  labels: {},
  options: {},
  ...fields,
});
const QUESTION: ImportQuestion = {
  volumes: [],
  containers: [],
  existing: [],
  node: 'n1',
  from: 'local',
  into: { driver: 'local', scope: 'local' },
};
const plan = (fields: Partial<ImportQuestion>): readonly ImportEntry[] => planImport({ ...QUESTION, ...fields });

describe('plan of an import', () => {
  it('binds the folders of the local driver, and says what the engine could still do to them', () => {
    const [entry] = plan({
      volumes: [found('data', { labels: { team: 'x', 'com.docker.compose.project': 'y' } }), found('other', { driver: 'nfs' })],
    });
    expect(entry?.action).to.equal('adopt');
    expect(entry?.request).to.deep.equal({
      name: 'data',
      driver: 'local',
      options: { type: 'none', o: 'bind', device: '/var/lib/docker/volumes/data/_data' },
      labels: { team: 'x' },
      node: 'n1',
    });
    expect(entry?.warnings.join()).to.contain('docker volume rm of the old name would delete it').and.to.contain('keeps the name data');
  });

  it('keeps the options of local volumes that mount something, and refuses engine quotas', () => {
    const options = { type: 'nfs', o: 'addr=10.0.0.1', device: ':/export' };
    const [mounted, sized] = plan({ volumes: [found('nfs', { options }), found('sized', { options: { size: '10g' } })] });
    expect(mounted?.request?.options).to.deep.equal(options);
    expect(sized).to.include({ action: 'refuse' });
    expect(sized?.reason).to.contain('10g');
  });

  it('finds a volume adopted whose options hold a secret, which no answer of the cluster shows', async () => {
    const options = { type: 'cifs', o: 'username=u,password=hunter2', device: '//files/share' };
    const shown = { ...options, o: 'username=u,password=***' };
    const view = await new FakeCluster().api('n1').createVolume({ name: 'old-data', driver: 'local', options: shown, node: 'n1' }, CONTEXT);
    const [entry] = plan({ volumes: [found('data', { options })], existing: [view], prefix: 'new-' });
    expect(entry).to.include({ action: 'done', name: 'old-data' });
  });

  it('adopts the volumes of a plugin under the names that it has', () => {
    const [entry] = plan({
      volumes: [found('data', { driver: 'rexray:latest', scope: 'global', options: { size: '5' } })],
      from: 'rexray',
      into: { driver: 'ebs', scope: 'global' },
      prefix: 'old-',
    });
    expect(entry?.request).to.deep.equal({ name: 'old-data', driver: 'ebs', options: { size: '5', adopt: 'data' }, labels: {} });
    expect(entry?.warnings.join()).to.contain('containers of other hosts').and.not.to.contain('keeps the name');
  });

  it('refuses what a running container has, and what cannot be named', () => {
    const use = (state: string): ImportQuestion['containers'][number] => ({
      id: 'c'.repeat(64),
      state,
      volumes: [{ name: 'data', driver: 'local' }],
    });
    expect(plan({ volumes: [found('data')], containers: [use('running')] })[0]?.reason).to.contain('cccccccccccc; stop them first');
    expect(plan({ volumes: [found('data')], containers: [use('exited')] })[0]).to.include({ action: 'adopt' });
    expect(plan({ volumes: [found('x')] })[0]?.reason).to.contain('cannot be a volume');
  });

  it('finds done what it has done, and refuses a name that another volume has', async () => {
    const api = new FakeCluster().api('n1');
    const question = { ...QUESTION, volumes: [found('data')] };
    const outcomes = await runImport(planImport(question), api, CONTEXT);
    expect(outcomes.map(({ fault }) => fault)).to.deep.equal([undefined]);
    const existing = [await api.getVolume({ name: 'data' }, CONTEXT)];
    expect(planImport({ ...question, existing })[0]).to.include({ action: 'done' });
    const [taken] = planImport({ ...question, existing: existing.map((view) => ({ ...view, options: {} })) });
    expect(taken?.reason).to.contain('another volume data, of driver local; use a prefix');
    // Under a prefix too it is the same data, which must not get a second owner.
    expect(planImport({ ...question, existing, prefix: 'old-' })[0]).to.include({ action: 'done', name: 'data' });
  });

  it('adopts no volume of a plugin twice, and none that the cluster made there itself', async () => {
    const api = new FakeCluster().api('n1');
    const made = await api.createVolume({ name: 'made', driver: 'ebs' }, CONTEXT);
    const adopted = await api.createVolume({ name: 'old-data', driver: 'ebs', options: { adopt: 'data' } }, CONTEXT);
    const volumes = ['data', `made.${made.uid.slice(-12)}`].map((name) => found(name, { driver: 'rexray', scope: 'global' }));
    const question = { volumes, from: 'rexray', into: { driver: 'ebs', scope: 'global' }, existing: [made, adopted] } as const;
    expect(plan(question).map(({ action, name }) => `${action} ${name}`)).to.deep.equal(['done old-data', 'done made']);
  });

  it('goes on after a failure and tells it', async () => {
    const cluster = new FakeCluster();
    cluster.faults.set('createVolume', new AppError('NO_MANAGER', 'no manager answers'));
    const outcomes = await runImport(plan({ volumes: [found('one1'), found('two2'), found('x')] }), cluster.api('n1'), CONTEXT);
    expect(outcomes.map(({ entry, fault }) => `${entry.name}: ${String(fault?.reason)}`)).to.deep.equal([
      'one1: NO_MANAGER',
      'two2: NO_MANAGER',
    ]);
  });
});
