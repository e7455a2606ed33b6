import { readSettings } from '@volplane/base';
import { expect } from 'chai';
import { checkManager } from '../src/check.js';
import { MANAGER_SETTINGS } from '../src/config.js';

/** What `--check-config` finds beyond the form of single settings, and what a manager does not start with. */
describe('the check of a manager’s settings', () => {
  async function faultsOf(...argv: readonly string[]): Promise<readonly string[]> {
    const read = readSettings(MANAGER_SETTINGS, { argv, env: {}, prefix: 'VOLPLANE_MANAGER', usage: '' });
    if (read.type !== 'settings') throw new Error('these settings have the right form');
    return await checkManager(read.settings);
  }

  it('finds nothing wrong with the defaults, nor with several addresses', async () => {
    expect(await faultsOf()).to.deep.equal([]);
    const many = ['--listen=127.0.0.1:0,unix:/run/v.sock', '--etcd=http://a:1,http://b:2', '--nats=nats://a:1,nats://b:2', '--metrics=:9'];
    expect(await faultsOf(...many)).to.deep.equal([]);
  });

  for (const [argv, text] of [
    ['--listen=nonsense', 'nonsense'],
    ['--listen=', '--listen names no address'],
    ['--etcd=nonsense', 'nonsense is not of the form http(s)://host:port'],
    ['--etcd-cert=/c', 'cert and key go together'],
    ['--etcd=https://a:1 --etcd-ca=/nowhere', '/nowhere'],
    ['--etcd-user=root --etcd-password-file=/nowhere', '/nowhere'],
    ['--nats=:::', 'a NATS server is given as'],
    ['--nats=', 'NATS'],
    ['--nats-creds=/nowhere', '/nowhere'],
    ['--tls-cert=/c', '--tls-cert and --tls-key together'],
    ['--tls-cert=/nowhere --tls-key=/nowhere', '/nowhere'],
    ['--metrics=foo', 'foo'],
    ['--csi=tcp://x', 'tcp://x'],
  ] as const) {
    it(`finds the fault of ${argv}`, async () => {
      const faults = await faultsOf(...argv.split(' '));
      expect(faults).to.have.length(1);
      expect(faults[0]).to.contain(text);
    });
  }

  it('names every fault at once', async () => {
    expect(await faultsOf('--listen=x', '--etcd=y', '--metrics=z')).to.have.length(3);
  });
});
