import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@volplane/base';
import type { VolumeView } from '@volplane/domain';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import type { Called } from './support/call.js';
import { DEBIAN_IMAGE } from './support/base-images.js';
import type { SmallMachine } from './support/small-machine.js';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** docker-compose.yml as a whole, by the commands that stand at its head. */
export function aboutCompose(machine: () => SmallMachine): void {
  const at = '/checkout';
  const compose = (...args: readonly string[]): Promise<string> => machine().docker(['compose', ...args], { at, secondsMax: 900 });
  const up = (): Promise<string> => compose('up', '--detach', '--wait', '--wait-timeout', '300');
  /** On the machine's own console, through a published port. */
  const volctl = (args: readonly string[], port: number = MANAGER_PORTS[0]): Promise<Called> =>
    machine().callOnNetwork([process.execPath, root('services/ctl/dist/main.js'), `--address=127.0.0.1:${String(port)}`, ...args]);
  const volctlOk = async (args: readonly string[], port: number = MANAGER_PORTS[0]): Promise<string> => {
    const { code, stdout, stderr } = await volctl(args, port);
    expect(code, `volctl ${args.join(' ')}: ${stderr}`).to.equal(0);
    return stdout.trim();
  };
  const volume = async (name: string): Promise<VolumeView> => {
    const [found] = JSON.parse(await volctlOk(['--output', 'json', 'inspect', name])) as readonly VolumeView[];
    if (found === undefined) throw new Error(`${name} is not shown`);
    return found;
  };
  const connected = async (port: number = MANAGER_PORTS[0]): Promise<readonly string[]> => {
    const nodes = JSON.parse(await volctlOk(['--output', 'json', 'nodes'], port)) as readonly {
      readonly name: string;
      readonly state: string;
    }[];
    return nodes.filter(({ state }) => state === 'connected').map(({ name }) => name);
  };
  const allConnected = (): Promise<true> => waitFor(async () => (await connected()).length === 3, { what: 'three nodes are connected' });
  /** What a container sees there that was started before anything was mounted. */
  const seenByOther = (path: string): Promise<Called> => machine().run(['docker', 'exec', 'bystander', 'cat', path]);
  const isMounted = async (path: string): Promise<boolean> => (await machine().run(['mountpoint', '-q', path])).code === 0;
  const state = async (service: string): Promise<ContainerState> => {
    const id = await compose('ps', '--all', '--quiet', service);
    return JSON.parse(await machine().docker(['inspect', '--format', '{{json .}}', id])) as ContainerState;
  };
  const isHealthyAgain = (service: string, restarts: number): Promise<true> =>
    waitFor(
      async () => {
        const { RestartCount, State } = await state(service);
        return RestartCount > restarts && State.Health.Status === 'healthy';
      },
      { what: `${service} was started again and is healthy`, timeoutMs: 120_000 },
    );

  describe('docker-compose.yml', () => {
    let shared = '';
    let scratch = '';

    after(async () => {
      // Its ports are wanted by what comes next.
      await machine().run(['docker', 'rm', '--force', 'bystander']);
      await compose('down', '--volumes', '--timeout', '1');
    });

    it('comes up healthy by the commands at its head', async () => {
      const head = (await readFile(root('docker-compose.yml'), 'utf8')).split('\n\n')[0] ?? '';
      const lines = [...head.matchAll(/^# {3}(.*?)( +#.*)?$/gm)].map(([, line = '']) => line.replace('sudo ', ''));
      expect(lines.at(-1)).to.equal('docker compose up --build');
      for (const line of lines.slice(0, -1)) await machine().shell(line, { at });
      await compose('up', '--build', '--detach', '--wait', '--wait-timeout', '300');
      await allConnected();
      const bind = 'type=bind,source=/var/lib/volplane,target=/var/lib/volplane,bind-propagation=rslave';
      await machine().docker(['run', '--detach', '--name', 'bystander', '--init', '--mount', bind, DEBIAN_IMAGE, 'sleep', 'infinity']);
    });

    it('serves callers on the machine and inside of the images', async () => {
      for (const port of MANAGER_PORTS) expect(await connected(port)).to.have.members(['node-1', 'node-2', 'node-3']);
      for (const port of AGENT_PORTS) expect(await volctlOk(['health'], port)).to.contain('serves');
      for (const service of ['manager-1', 'manager-2', 'agent-3']) {
        const address = service.startsWith('agent') ? ['--address', 'unix:/run/volplane/agent.sock'] : [];
        expect(await compose('exec', '-T', service, 'volctl', ...address, 'health')).to.contain('serves');
      }
    });

    it('mounts a volume that the machine and other containers see at the same path', async () => {
      await volctlOk(['create', 'orders', '--driver', 'shared', '--access-mode', 'single-node-writer']);
      shared = await volctlOk(['mount', 'orders', '--id', 'container-1', '--node', 'node-1']);
      await machine().shell(`echo written >${shared}/file`);
      expect((await seenByOther(`${shared}/file`)).stdout).to.equal('written\n');
      await volctlOk(['create', 'scratch', '--node', 'node-1', '--opt', 'type=tmpfs', '--opt', 'device=tmpfs']);
      scratch = await volctlOk(['mount', 'scratch', '--id', 'container-1', '--node', 'node-1']);
      expect(await isMounted(scratch), `${scratch} is a mount on the machine`).to.equal(true);
      await machine().shell(`echo in memory >${scratch}/file`);
      expect((await seenByOther(`${scratch}/file`)).stdout).to.equal('in memory\n');
    });

    it('refuses a second owner, with the first one’s name', async () => {
      const { code, stderr } = await volctl(['mount', 'orders', '--id', 'container-2', '--node', 'node-2']);
      expect(code).to.equal(1);
      expect(stderr).to.contain('VOLUME_HELD').and.to.contain('node-1').and.to.contain('container-1');
    });

    it('goes on without one manager, which is started again when it was killed', async () => {
      const { RestartCount } = await state('manager-1');
      await kill('manager-1');
      await volctlOk(['create', 'meanwhile', '--driver', 'shared'], MANAGER_PORTS[1]);
      await isHealthyAgain('manager-1', RestartCount);
      expect((await volume('meanwhile')).phase).to.equal('ready');
    });

    it('keeps the mounts of an agent that is killed, restarted, or put into another container', async () => {
      const before = await volume('orders');
      const { RestartCount } = await state('agent-1');
      await kill('agent-1');
      expect(await isMounted(scratch), 'while the agent is away').to.equal(true);
      await isHealthyAgain('agent-1', RestartCount);
      for (const again of [
        ['restart', 'agent-1'],
        ['up', '--detach', '--wait', '--force-recreate', '--no-deps', 'agent-1'],
      ]) {
        // One after the other: each is the end of the one before.
        await compose(...again);
        // The node counts as connected all along: its session goes on.
        const where = await waitFor(() => volctlOk(['path', 'scratch', '--node', 'node-1']), { what: 'the agent answers again' });
        expect(where).to.equal(scratch);
        expect((await seenByOther(`${scratch}/file`)).stdout, again.join(' ')).to.equal('in memory\n');
        expect((await seenByOther(`${shared}/file`)).stdout, again.join(' ')).to.equal('written\n');
        expect((await volume('orders')).epoch, again.join(' ')).to.equal(before.epoch);
      }
      expect((await volctl(['mount', 'orders', '--id', 'container-2', '--node', 'node-2'])).code).to.equal(1);
    });

    it('ends every part in order and soon', async () => {
      for (const service of ['agent-1', 'agent-2', 'manager-1', 'manager-2', 'nats', 'etcd']) {
        const beganMs = systemClock.monotonicMs();
        await compose('stop', service);
        const tookMs = systemClock.monotonicMs() - beganMs;
        console.log(`        ${service}: ${String(Math.round(tookMs))} ms`);
        // The engine kills after 10 s.
        expect(tookMs, service).to.be.below(STOP_MS_MAX);
        // NATS tells with 1 that a signal ended it.
        expect((await state(service)).State.ExitCode, service).to.be.below(service === 'nats' ? 2 : 1);
      }
    });

    it('finds everything again after down and up', async () => {
      await compose('down');
      expect(await compose('ps', '--all', '--quiet')).to.equal('');
      expect(await isMounted(scratch), 'with everything away').to.equal(true);
      await up();
      await allConnected();
      const { attachments, node } = await volume('orders');
      expect([node, ...attachments.map((each) => each.node)]).to.deep.equal(['node-1', 'node-1']);
      expect((await seenByOther(`${shared}/file`)).stdout).to.equal('written\n');
      expect((await seenByOther(`${scratch}/file`)).stdout).to.equal('in memory\n');
      for (const name of ['orders', 'scratch']) await volctlOk(['unmount', name, '--id', 'container-1', '--node', 'node-1']);
      expect(await isMounted(scratch)).to.equal(false);
      await volctlOk(['mount', 'orders', '--id', 'container-2', '--node', 'node-2']);
      await volctlOk(['unmount', 'orders', '--id', 'container-2', '--node', 'node-2']);
      await volctlOk(['rm', 'orders', 'meanwhile']);
      await volctlOk(['rm', 'scratch', '--node', 'node-1']);
    });
  });

  /** As a crash does, which the engine tells apart from a stop. Who does it ends with the container. */
  async function kill(service: string): Promise<void> {
    const id = await compose('ps', '--quiet', service);
    await machine().run(['docker', 'exec', '--user', 'root', id, 'sh', '-c', 'kill -9 $(pidof node)']);
  }
}

interface ContainerState {
  readonly RestartCount: number;
  readonly State: { readonly ExitCode: number; readonly Health: { readonly Status: string } };
}

const MANAGER_PORTS = [7400, 7410] as const;
const AGENT_PORTS = [7431, 7432, 7433] as const;
const STOP_MS_MAX = 8_000;
