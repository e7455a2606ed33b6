import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSettings } from '@volplane/base';
import { expect } from 'chai';
import { parse } from 'yaml';
import { parseDriverEntries } from '../../packages/drivers/src/driver-config.js';
import { AGENT_SETTINGS } from '../../services/agent/src/config.js';
import { MANAGER_SETTINGS } from '../../services/manager/src/config.js';
import { ROOT } from './source-tree.js';

interface ComposeService {
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target?: string };
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly privileged?: boolean;
  readonly ports?: readonly string[];
  readonly volumes?: readonly (
    string | { readonly source: string; readonly target: string; readonly bind?: { readonly propagation?: string } }
  )[];
}

const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('docker-compose.yml', () => {
  const { services } = parse(text('docker-compose.yml'), { merge: true }) as {
    readonly services: Readonly<Record<string, ComposeService>>;
  };
  const named = (prefix: string): [string, ComposeService][] => Object.entries(services).filter(([name]) => name.startsWith(prefix));

  it('has etcd, NATS, two managers and three agents, each with a health check and a place to come from', () => {
    expect(Object.keys(services)).to.have.members(['etcd', 'nats', 'manager-1', 'manager-2', 'agent-1', 'agent-2', 'agent-3']);
    for (const [name, { build, healthcheck, image }] of Object.entries(services)) {
      expect(healthcheck?.test.length, `health check of ${name}`).to.be.greaterThan(1);
      expect(build === undefined ? image : dockerfileFault(build), name).to.equal(build === undefined ? (image ?? 'an image') : undefined);
    }
  });

  it('publishes its clear-text doors on loopback only, each once', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    expect(new Set(ports).size).to.equal(5);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).to.deep.equal([]);
  });

  it('uses settings that managers have, with values that they take', () => {
    for (const [name, { environment = {} }] of named('manager-')) {
      expect(settingFaults(MANAGER_SETTINGS, 'VOLPLANE_MANAGER', environment), name).to.deep.equal([]);
      expect(environment['VOLPLANE_MANAGER_ID']).to.equal(name);
    }
  });

  it('uses settings that agents have, with values that they take; node names and folders differ', () => {
    const agents = named('agent-').map(([, { environment = {} }]) => environment);
    for (const environment of agents) expect(settingFaults(AGENT_SETTINGS, 'VOLPLANE_AGENT', environment)).to.deep.equal([]);
    for (const key of ['VOLPLANE_AGENT_NODE', 'VOLPLANE_AGENT_DATA_DIR']) expect(new Set(agents.map((each) => each[key])).size).to.equal(3);
  });

  it('lets the host see what agents mount, at the same path', () => {
    for (const [name, { environment = {}, privileged, volumes = [] }] of named('agent-')) {
      expect(privileged, name).to.equal(true);
      const binds = volumes.flatMap((volume) => (typeof volume === 'string' ? [] : [volume]));
      expect(binds.map((bind) => bind.target)).to.include(environment['VOLPLANE_AGENT_DATA_DIR']);
      for (const bind of binds) {
        expect(bind.bind?.propagation).to.equal('rshared');
        expect(bind.source).to.equal(bind.target);
      }
    }
  });

  it('gives the agents a driver file that they can read, with a root that is mounted', () => {
    const [, agent] = named('agent-')[0] ?? [];
    const file = agent?.environment?.['VOLPLANE_AGENT_DRIVERS']?.replace('/opt/volplane/', '') ?? '';
    const [driver] = parseDriverEntries(text(file), file);
    expect(agent?.volumes?.map((volume) => typeof volume !== 'string' && volume.target)).to.include(
      driver?.kind === 'shared' && driver.root,
    );
  });
});

describe('deploy/docker', () => {
  it('starts what the services build', () => {
    const entries = [...text('deploy/docker/Dockerfile').matchAll(/^ENTRYPOINT \["node", "([^"]+)"\]/gm)].map(([, path = '']) => path);
    expect(entries).to.have.length(2);
    for (const entry of entries) expect(existsSync(join(ROOT, sourceOf(entry))), entry).to.equal(true);
  });

  it('calls the images what those call them who use them', () => {
    const built = [...text('deploy/docker/Dockerfile').matchAll(/^# +docker build .* -t (\S+) [.]$/gm)].map(([, name = '']) => name);
    const users = [
      'kubernetes/controller.yaml',
      'kubernetes/node.yaml',
      'nomad/controller.nomad.hcl',
      'nomad/node.nomad.hcl',
      'swarm/build-plugin.sh',
    ];
    const used = users.flatMap((file) => text(`deploy/${file}`).match(/volplane-(manager|agent):[\w.]+/g) ?? []);
    expect(used).to.have.length(users.length);
    expect(new Set(used)).to.deep.equal(new Set(built));
  });

  it('has a health check that fails when nobody answers', () => {
    const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'deploy/docker/health.mjs'), 'unix:/nonexistent/agent.sock']);
    expect(status, String(stderr)).to.equal(1);
  });
});

describe('deploy/systemd', () => {
  const agent = text('deploy/systemd/volplane-agent.service');
  const manager = text('deploy/systemd/volplane-manager.service');

  it('lets the guardian outlive its agent, and the host see its mounts', () => {
    expect(agent).to.match(/^KillMode=process$/m);
    expect(agent).not.to.match(/^(Private|Protect|ReadOnly|ReadWrite|DynamicUser|TemporaryFileSystem|Bind)/m);
  });

  it('starts what the services build, and not again after a wrong setting', () => {
    for (const unit of [agent, manager]) {
      const entry = /^ExecStart=\/usr\/bin\/node \/opt\/volplane\/(\S+)$/m.exec(unit)?.[1] ?? '';
      expect(existsSync(join(ROOT, sourceOf(entry))), entry).to.equal(true);
      expect(unit).to.match(/^RestartPreventExitStatus=78$/m);
    }
  });
});

describe('docs/drivers.md', () => {
  const page = text('docs/drivers.md');
  const entries = [...page.matchAll(/```json\n([\s\S]*?)```/g)].flatMap(([, json = '']) => parseDriverEntries(json, 'the example'));

  it('has examples that an agent takes, and tells each of their fields', () => {
    expect(entries.length).to.be.greaterThan(4);
    for (const entry of entries) {
      const section = page.split(/^## /m).find((part) => part.startsWith(`\`${entry.kind}\`\n`)) ?? '';
      const told = [...section.matchAll(/^\| `(\w+)`/gm)].map(([, field]) => field);
      expect([...told, 'kind', 'name'], entry.name).to.include.members(Object.keys(entry));
    }
  });
});

function sourceOf(entry: string): string {
  return entry.replace('/dist/', '/src/').replace(/\.js$/, '.ts');
}

function dockerfileFault({ context, dockerfile, target }: NonNullable<ComposeService['build']>): string | undefined {
  const stages = [...text(join(context, dockerfile)).matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, stage]) => stage);
  return target === undefined || stages.includes(target) ? undefined : `there is no stage ${target}`;
}

/** Variables that are no settings, and what reading them finds wrong. */
function settingFaults(
  settings: typeof MANAGER_SETTINGS | typeof AGENT_SETTINGS,
  prefix: string,
  env: Readonly<Record<string, string>>,
): string[] {
  const known = Object.keys(settings).map((key) => `${prefix}_${key.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`);
  const read = readSettings(settings, { argv: [], env, prefix, usage: '' });
  const unknown = Object.keys(env).filter((name) => !known.includes(name));
  return [...unknown.map((name) => `there is no ${name}`), ...(read.type === 'faults' ? read.faults : [])];
}
