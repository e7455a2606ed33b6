import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '@volplane/base';
import { expect } from 'chai';
import { checkAgent } from '../src/check.js';
import { AGENT_SETTINGS } from '../src/config.js';

/** What `--check-config` finds beyond the form of single settings, and what an agent does not start with. */
describe('the check of an agent’s settings', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'volplane-check-'));
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  async function faultsOf(...argv: readonly string[]): Promise<readonly string[]> {
    const read = readSettings(AGENT_SETTINGS, { argv: ['--node=n1', ...argv], env: {}, prefix: 'VOLPLANE_AGENT', usage: '' });
    if (read.type !== 'settings') throw new Error('these settings have the right form');
    return await checkAgent(read.settings);
  }

  it('finds nothing wrong with the defaults', async () => {
    expect(await faultsOf()).to.deep.equal([]);
  });

  it('names every fault of the drivers', async () => {
    const file = join(folder, 'drivers.json');
    writeFileSync(
      file,
      JSON.stringify([
        { kind: 'shared', name: 's', root: 'here' },
        { kind: 'what', name: 'x' },
      ]),
    );
    const [fault, ...more] = await faultsOf(`--drivers=${file}`);
    expect(more).to.deep.equal([]);
    expect(fault)
      .to.contain('driver "s": root is not an absolute path')
      .and.contain('driver "x": kind is not one of local, shared, image, mount, nfs, cifs, plugin');
  });

  for (const [argv, text] of [
    ['--listen=nonsense', 'nonsense'],
    ['--drivers=/nowhere', '/nowhere'],
    ['--nats=:::', 'a NATS server is given as'],
    ['--tls-cert=/c', '--tls-cert and --tls-key together'],
    ['--metrics=foo', 'foo'],
    ['--csi=tcp://x', 'tcp://x'],
    ['--docker-plugins=/p --docker-tcp=foo', 'foo'],
    ['--docker-plugins=/p --docker-tcp=127.0.0.1:1 --docker-tls-cert=/c', '--docker-tls-cert'],
  ] as const) {
    it(`finds the fault of ${argv}`, async () => {
      const faults = await faultsOf(...argv.split(' '));
      expect(faults).to.have.length(1);
      expect(faults[0]).to.contain(text);
    });
  }
});
