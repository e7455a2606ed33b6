import { readdir } from 'node:fs/promises';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import type { SmallMachine } from './support/small-machine.js';

const IMAGES = ['volplane-manager:0.1.0', 'volplane-agent:0.1.0'];

/** What is in the images, and what is not. */
export function aboutContents(machine: () => SmallMachine): void {
  const inImage = (image: string, command: string, user: readonly string[] = ['--user', 'root']): Promise<string> =>
    machine().docker(['run', '--rm', ...user, '--entrypoint', 'sh', image, '-c', command]);

  it('are built from a context without anything that git ignores, and without tests', async () => {
    await machine().shell(
      `printf 'FROM scratch\\nCOPY . /\\n' | docker build --no-cache --output type=local,dest=/tmp/context --file - .`,
      { at: '/checkout' },
    );
    const left = await machine().shell(
      `find . \\( -name node_modules -o -name dist -o -name .git -o -name .cache -o -name .volplane -o -name coverage -o -name '*.tsbuildinfo' -o -name '*.test.ts' \\)`,
      { at: '/tmp/context' },
    );
    expect(left).to.equal('');
    const kibibytes = Number((await machine().shell('du -sk /tmp/context')).split('\t')[0]);
    expect(kibibytes, 'KiB of the context').to.be.below(CONTEXT_KIB_MAX);
    await machine().shell('rm -r /tmp/context');
  });

  it('hold what runs, and neither sources, tests, tools nor what only those need', async () => {
    for (const image of IMAGES) {
      const top = await inImage(image, 'ls -A');
      expect(top.split('\n'), image).to.have.members(['LICENSE', 'deploy', 'node_modules', 'packages', 'proto', 'services']);
      expect(await inImage(image, 'find deploy -type f'), image).to.equal('deploy/docker/drivers.json\ndeploy/docker/health.mjs');
      const parts = await inImage(image, 'find packages services -mindepth 2 -maxdepth 2 | sed "s,.*/,," | sort -u');
      expect(parts.split('\n'), image).to.have.members(['bin', 'dist', 'node_modules', 'package.json']);
      expect(await inImage(image, 'ls packages'), image).not.to.contain('testkit');
      const outside = await inImage(image, 'ls node_modules/.pnpm');
      for (const tool of ['typescript', 'mocha', 'eslint', 'chai', 'fast-check', 'tsx', 'prettier']) {
        expect(
          outside.split('\n').filter((name) => name.startsWith(`${tool}@`)),
          image,
        ).to.deep.equal([]);
      }
      expect(await inImage(image, `find /opt/volplane -name '*.ts' -path '*/services/*'`), image).to.equal('');
    }
  });

  it('hold every service of the project, and no cache of what built them', async () => {
    const services = await readdir(new URL('../../services', import.meta.url));
    for (const image of IMAGES) {
      expect((await inImage(image, 'ls services')).split('\n'), image).to.have.members(services);
      expect(await inImage(image, 'ls -A /root /tmp /var/cache/apt/archives | grep -e pnpm -e npm -e [.]deb$ || true'), image).to.equal('');
    }
  });

  it('are small', async () => {
    for (const image of IMAGES) {
      const kibibytes = Number((await inImage(image, 'du -sk /opt/volplane')).split('\t')[0]);
      const bytes = Number(await machine().docker(['image', 'inspect', '--format', '{{.Size}}', image]));
      console.log(`        ${image}: ${String(Math.round(bytes / 1e6))} MB, of which Volplane ${String(Math.round(kibibytes / 1024))} MiB`);
      expect(kibibytes, image).to.be.below(VOLPLANE_KIB_MAX);
    }
  });

  it('keep nothing of the settings with which they were built', async () => {
    for (const image of IMAGES) {
      const history = await machine().docker(['history', '--no-trunc', '--format', '{{.CreatedBy}}', image]);
      expect(history, image).not.to.match(/proxy|token|password|secret/i);
      expect(await inImage(image, `find / -xdev -name .npmrc ! -path '/usr/*'`), image).to.equal('');
    }
  });

  it('run the manager as a user without rights, who can write nothing of it', async () => {
    const [manager = ''] = IMAGES;
    expect(await inImage(manager, 'id -un', [])).to.equal('node');
    expect(await inImage(manager, 'find /opt/volplane -writable ! -type l', [])).to.equal('');
  });

  it('mount volumes with an agent alone, on a root that nobody can write', async () => {
    const places = ['--read-only', '--tmpfs', '/run/volplane', '--volume', '/var/lib/volplane'];
    await machine().docker(['run', '--detach', '--name', 'alone', '--init', '--privileged', ...places, IMAGES[1] ?? '']);
    const volctl = (...args: readonly string[]): Promise<string> =>
      machine().docker(['exec', 'alone', 'volctl', '--address', 'unix:/run/volplane/agent.sock', ...args]);
    await waitFor(() => volctl('health'), { what: 'the agent serves' });
    await volctl('create', 'scratch', '--opt', 'type=tmpfs', '--opt', 'device=tmpfs');
    const path = await volctl('mount', 'scratch', '--id', 'one');
    await machine().docker(['exec', 'alone', 'mountpoint', '-q', path]);
    await machine().docker(['rm', '--force', '--volumes', 'alone']);
  });

  it('have volctl', async () => {
    for (const image of IMAGES) expect(await inImage(image, 'volctl --help')).to.contain('volctl');
  });
}

/** Sources; a folder of dependencies alone is a hundred times as much. */
const CONTEXT_KIB_MAX = 8 * 1024;
/** With the libraries; three quarters of it when this was written. */
const VOLPLANE_KIB_MAX = 64 * 1024;
