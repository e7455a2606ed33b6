import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortRow, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { run } from '../../deploy/dev/setup/process.mjs';
import { ROOT } from '../../deploy/dev/setup/workspace.mjs';

/** A plugin socket without a process makes every volume create of an engine wait 15 s: whoever starts agents sees to it that none stays. */
describe('plugin sockets', () => {
  let folder: string;
  let plugins: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-sockets-'));
    plugins = join(folder, 'plugins');
    await mkdir(plugins);
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('vanish when the development swarm is killed', async () => {
    const port = await freePortRow(6);
    const flags = [
      `--folder=${join(folder, 'swarm')}`,
      `--docker-plugins=${plugins}`,
      '--managers=1',
      '--agents=2',
      `--etcd-port=${String(port)}`,
      `--nats-port=${String(port + 2)}`,
      `--manager-port=${String(port + 3)}`,
      `--agent-port=${String(port + 4)}`,
    ];
    const args = ['--import=tsx', '--conditions=@volplane/source', join(ROOT, 'deploy/dev/swarm/main.ts'), ...flags];
    const swarm: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    try {
      await waitFor(async () => swarm.exitCode !== null || (await readdir(plugins)).includes('volplane.sock'), {
        what: 'the first agent serves its plugins',
        timeoutMs: 90_000,
      });
      expect(swarm.exitCode).to.equal(null);
    } finally {
      if (swarm.exitCode === null) {
        const exited = once(swarm, 'exit');
        swarm.kill('SIGKILL');
        await exited;
      }
    }
    await waitFor(async () => (await readdir(plugins)).length === 0, { what: 'the sockets are gone', timeoutMs: 30_000 });
    // What writes into the folder ends a moment after the swarm.
    await waitFor(() => rm(join(folder, 'swarm'), { recursive: true, force: true }).then(() => true), { what: 'the swarm has ended' });
  });

  it('are removed by the unit when systemd ends agent and watcher, and those of others are not', async () => {
    const unit = await readFile(join(ROOT, 'deploy/systemd/volplane-agent.service'), 'utf8');
    const [, command = ''] = /^ExecStopPost=-(.+)$/m.exec(unit) ?? [];
    const own = ['volplane.sock', 'volplane-local.sock', 'volplane-shared.sock'];
    const servers = await Promise.all([...own, 'other.sock'].map((name) => listen({ path: join(plugins, name) })));
    await writeFile(join(plugins, 'volplane-notes'), 'no socket');
    const [program = '', ...args] = command.split(' ').map((word) => (word === '/run/docker/plugins' ? plugins : word));
    try {
      expect(args, command).to.include(plugins);
      await run(program, args);
      expect((await readdir(plugins)).sort()).to.deep.equal(['other.sock', 'volplane-notes']);
    } finally {
      for (const server of servers) server.close();
    }
  });
});

async function listen(where: ListenOptions): Promise<Server> {
  const server = createServer();
  server.listen(where);
  server.unref();
  await once(server, 'listening');
  return server;
}
