import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DockerPluginServer } from '../src/index.js';
import { FakeCluster, serverOptions } from './fake-volumes.js';
import { TestAuthority } from './test-authority.js';

/** TLS on both sides. */
describe('docker plugin server with TLS', () => {
  let folder = '';
  let authority: TestAuthority;

  before(async function () {
    try {
      authority = await TestAuthority.create();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'volplane-plugins-'));
  });

  after(async function () {
    if (folder === '') return;
    await authority.remove();
    await rm(folder, { recursive: true });
  });

  it('writes what the engine needs and serves only clients of the same authority', async () => {
    const client = { caFile: authority.path('ca.pem'), certFile: authority.path('client.pem'), keyFile: authority.path('client.key') };
    const server = await DockerPluginServer.open({
      ...serverOptions(new FakeCluster(), join(folder, 'plugins')),
      tcp: { specFolder: join(folder, 'spec'), host: '127.0.0.1', port: 0, tls: { server: await authority.server(), client } },
    });
    try {
      const entry = JSON.parse(await readFile(join(folder, 'spec/volplane.json'), 'utf8')) as {
        Name: string;
        Addr: string;
        TLSConfig: Record<string, unknown>;
      };
      expect(entry.Name).to.equal('volplane');
      expect(entry.TLSConfig).to.deep.equal({
        InsecureSkipVerify: false,
        CAFile: client.caFile,
        CertFile: client.certFile,
        KeyFile: client.keyFile,
      });
      const [ca, cert, key] = await Promise.all([client.caFile, client.certFile, client.keyFile].map((path) => readFile(path, 'utf8')));
      expect(await status(entry.Addr, { ca, cert, key })).to.equal(200);
      expect(await status(entry.Addr, { ca })).to.be.instanceOf(Error);
    } finally {
      await server.close();
    }
  });
});

function status(address: string, files: Record<string, unknown>): Promise<number | Error> {
  return new Promise((resolve) => {
    const outgoing = request(`${address}/VolumeDriver.List`, { ...files, method: 'POST' }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    outgoing.once('error', resolve);
    outgoing.end('{}');
  });
}
