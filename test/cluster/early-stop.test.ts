import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const SERVICES = fileURLToPath(new URL('../../services', import.meta.url));
/** Nobody listens there. */
const NOWHERE = '127.0.0.1:1';

/** As the first process of a container it has no default: a signal that nobody listens for is lost. */
describe('a process that is told to stop while it starts', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'volplane-early-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  for (const [service, args] of [
    ['manager', () => ['--listen=127.0.0.1:0', `--etcd=http://${NOWHERE}`]],
    ['agent', () => ['--node=n1', `--data-dir=${folder}/data`, `--listen=unix:${folder}/agent.sock`]],
  ] as const) {
    it(`ends in order: ${service}`, async () => {
      const main = ['--import=tsx', '--conditions=@volplane/source', join(SERVICES, service, 'src/main.ts')];
      const child = spawn(process.execPath, [...main, ...args(), `--nats=nats://${NOWHERE}`], { stdio: ['ignore', 'ignore', 'pipe'] });
      const exited = once(child, 'exit');
      const lines: string[] = [];
      for await (const line of createInterface({ input: child.stderr })) {
        lines.push(line);
        if (line.includes(`${service} starts`)) child.kill('SIGTERM');
      }
      expect(await exited).to.deep.equal([0, null], lines.join('\n'));
      expect(lines.join('\n')).to.contain('"message":"stopping"');
    });
  }
});
