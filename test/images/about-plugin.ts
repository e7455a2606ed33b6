import { readFile } from 'node:fs/promises';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { DEBIAN_IMAGE, NATS_IMAGE } from './support/base-images.js';
import type { SmallMachine } from './support/small-machine.js';

/** The managed plugin, as an engine in swarm mode uses it, beside a manager with its default settings. */
export function aboutPlugin(machine: () => SmallMachine): void {
  const docker = (...args: readonly string[]): Promise<string> => machine().docker(args);
  const volctl = (...args: readonly string[]): Promise<string> => docker('exec', 'manager', 'volctl', ...args);
  const clusterVolume = async (): Promise<string> =>
    (await docker('volume', 'ls', '--cluster', '--format', '{{.Name}} {{.Status}}')).split('\n').find((line) => line.startsWith('data ')) ??
    '';

  describe('the managed plugin', () => {
    before(async () => {
      await docker('build', '--quiet', '--tag', 'etcd', '--file', '/checkout/deploy/docker/etcd.Dockerfile', '/checkout/deploy/docker');
      const beside: readonly (readonly [string, ...string[]])[] = [
        ['etcd', 'etcd', '--data-dir=/tmp/etcd'],
        ['nats', NATS_IMAGE],
        ['manager', 'volplane-manager:0.1.0'],
      ];
      for (const [name, image = '', ...args] of beside) {
        // A manager writes nothing, and nobody else's root is ours to close.
        const closed = name === 'manager' ? ['--read-only'] : [];
        await docker(
          'run',
          '--detach',
          '--init',
          '--network',
          'host',
          '--restart',
          'on-failure',
          '--name',
          name,
          ...closed,
          image,
          ...args,
        );
      }
      await waitFor(() => volctl('health'), { what: 'the manager serves' });
      await docker('swarm', 'init', '--advertise-addr', '127.0.0.1');
    });

    it('is made by build-plugin.sh', async () => {
      await machine().shell('cp -r /checkout/deploy/swarm /tmp/swarm');
      await leaveOutWhatNobodyHas();
      await machine().runOk(['/tmp/swarm/build-plugin.sh'], { at: '/tmp' });
      expect(await docker('plugin', 'ls', '--format', '{{.Name}} {{.Enabled}}')).to.equal('volplane:latest false');
    });

    it('is enabled, and joins the cluster under the name that it was given', async () => {
      const drivers = JSON.stringify([
        { name: 'image', kind: 'image', root: '/var/lib/volplane/images', scope: 'global', unguarded: true, defaultSize: '64m' },
      ]);
      await machine().shell(`mkdir -p /var/lib/volplane/images && echo '${drivers}' >/var/lib/volplane/drivers.json`);
      await docker('plugin', 'set', 'volplane', 'VOLPLANE_AGENT_NODE=host-1');
      await docker('plugin', 'enable', 'volplane');
      await waitFor(async () => /^host-1 +connected/m.test(await volctl('nodes')), { what: 'host-1 is connected' });
      const known = (): Promise<string> => docker('node', 'inspect', 'self', '--format', '{{json .Description.CSIInfo}}');
      await waitFor(async () => (await known()).includes('host-1'), { what: 'the swarm knows the plugin of its node' });
    });

    it('gives a swarm a volume that a service writes to, by the command of docs/csi.md', async () => {
      const page = await readFile(new URL('../../docs/csi.md', import.meta.url), 'utf8');
      const [create = ''] = /docker volume create -d volplane[^`]*/.exec(page.replaceAll(/\s+/g, ' ')) ?? [];
      expect(create).to.match(/ data$/);
      await machine().shell(create);
      await waitFor(async () => (await clusterVolume()).includes('created'), { what: 'the volume is created' });
      const mount = 'type=cluster,source=data,target=/data';
      const script = 'date >/data/began; sleep infinity';
      await docker('service', 'create', '--detach', '--name', 'writer', '--init', '--mount', mount, DEBIAN_IMAGE, 'sh', '-c', script);
      await waitFor(() => writer('cat', '/data/began'), { what: 'the service has written' });
      expect(await volctl('ls')).to.match(/^data .*host-1/m);
    });

    it('keeps the mounts of a service while it is disabled and enabled again', async () => {
      await docker('plugin', 'disable', 'volplane');
      await writer('sh', '-c', 'echo meanwhile >/data/meanwhile && sync /data/meanwhile');
      await docker('plugin', 'enable', 'volplane');
      await waitFor(async () => /^host-1 +connected/m.test(await volctl('nodes')), { what: 'host-1 is connected again' });
      expect(await writer('cat', '/data/meanwhile')).to.equal('meanwhile');
    });

    it('lets go of the volume when the service is gone, and removes it', async () => {
      await docker('service', 'rm', 'writer');
      await waitFor(async () => /^attached: +-$/m.test(await volctl('inspect', 'data')), { what: 'the volume is let go of' });
      await docker('volume', 'rm', 'data');
      await waitFor(async () => !/^data /m.test(await volctl('ls')), { what: 'the volume is gone' });
      await docker('plugin', 'disable', 'volplane');
      await docker('plugin', 'rm', 'volplane');
    });
  });

  /** Only growing a mounted ext4 needs it, and an engine starts nothing that asks for more than it has itself. */
  async function leaveOutWhatNobodyHas(): Promise<void> {
    const status = await machine().shell('grep CapEff /proc/self/status');
    const has = (BigInt(`0x${status.split('\t')[1] ?? '0'}`) >> CAP_SYS_RESOURCE) & 1n;
    if (has === 0n) await machine().shell(`sed -i 's/"CAP_SYS_RESOURCE", //' /tmp/swarm/config.json`);
  }

  async function writer(...args: readonly string[]): Promise<string> {
    const id = await docker('ps', '--quiet', '--filter', 'label=com.docker.swarm.service.name=writer');
    return await docker('exec', id, ...args);
  }
}

/** Its number in capabilities(7). */
const CAP_SYS_RESOURCE = 24n;
