import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { DockerPluginServer } from '../src/index.js';
import { FakeCluster, serverOptions } from './fake-volumes.js';

const run = promisify(execFile);

/** TLS on both sides, with certificates made for the run by the openssl command. */
describe('docker plugin server with TLS', () => {
  let folder: string;

  const inFolder = (name: string): string => join(folder, name);
  const issue = async (name: string): Promise<void> => {
    await run('openssl', [
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      inFolder(`${name}.key`),
      '-out',
      inFolder(`${name}.csr`),
    ]);
    await run('openssl', [
      'x509',
      '-req',
      '-in',
      inFolder(`${name}.csr`),
      '-CA',
      inFolder('ca.pem'),
      '-CAkey',
      inFolder('ca.key'),
      '-days',
      '2',
      '-extfile',
      inFolder('san'),
      '-out',
      inFolder(`${name}.pem`),
    ]);
  };

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'volplane-tls-'));
    try {
      await run('openssl', ['version']);
    } catch {
      this.skip();
    }
    await writeFile(inFolder('san'), 'subjectAltName=IP:127.0.0.1\n');
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=ca',
      '-keyout',
      inFolder('ca.key'),
      '-out',
      inFolder('ca.pem'),
    ]);
    await issue('server');
    await issue('client');
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  it('writes what the engine needs and serves only clients of the same authority', async () => {
    const [ca, cert, key] = await Promise.all(['ca.pem', 'server.pem', 'server.key'].map((name) => readFile(inFolder(name), 'utf8')));
    const client = { caFile: inFolder('ca.pem'), certFile: inFolder('client.pem'), keyFile: inFolder('client.key') };
    const tls = { server: { ca: ca ?? '', cert: cert ?? '', key: key ?? '' }, client };
    const server = await DockerPluginServer.open({
      ...serverOptions(new FakeCluster(), inFolder('plugins')),
      tcp: { specFolder: inFolder('spec'), host: '127.0.0.1', port: 0, tls },
    });
    try {
      const entry = JSON.parse(await readFile(inFolder('spec/volplane.json'), 'utf8')) as {
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
      const files = { ca, cert: await readFile(client.certFile, 'utf8'), key: await readFile(client.keyFile, 'utf8') };
      expect(await status(entry.Addr, files)).to.equal(200);
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
