import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasTool, rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { FakeApi } from './fake-api.js';
import { patient, RpcWorld } from './world.js';

const run = promisify(execFile);

/** With certificates made for the run by the openssl command. */
describe('RPC with TLS', () => {
  const world = new RpcWorld();
  let folder: string;

  const read = (name: string): Promise<Buffer> => readFile(join(folder, name));
  const openssl = (...options: readonly string[]): Promise<unknown> => run('openssl', options, { cwd: folder });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

  async function issue(name: string): Promise<void> {
    await openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    await openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-days',
      '2',
      '-extfile',
      'san',
      '-out',
      `${name}.pem`,
    );
  }

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'volplane-tls-'));
    if (!(await hasTool('openssl'))) this.skip();
    await writeFile(join(folder, 'san'), 'subjectAltName=DNS:manager.example\n');
    await openssl('req', '-x509', ...newKey, '-subj', '/CN=test authority', '-days', '2', '-keyout', 'ca.key', '-out', 'ca.pem');
    await issue('server');
    await issue('client');
  });

  afterEach(() => world.close());

  after(() => rm(folder, { recursive: true, force: true }));

  it('serves a client that trusts its authority, and no other', async () => {
    const server = await world.server(new FakeApi(), { tls: { cert: await read('server.pem'), key: await read('server.key') } });
    const trusting = world.client(server.addresses, { tls: { ca: await read('ca.pem'), serverName: 'manager.example' } });
    await trusting.listVolumes({}, patient());
    const trustless = world.client(server.addresses, { tls: { serverName: 'manager.example' } });
    expect((await rejection(trustless.listVolumes({}, patient()))).reason).to.equal('UNREACHABLE');
    const misled = world.client(server.addresses, { tls: { ca: await read('ca.pem'), serverName: 'other.example' } });
    expect((await rejection(misled.listVolumes({}, patient()))).reason).to.equal('UNREACHABLE');
    expect((await rejection(world.client(server.addresses).listVolumes({}, patient()))).kind).to.equal('unavailable');
  });

  it('demands a certificate of the client where it is told to', async () => {
    const ca = await read('ca.pem');
    const server = await world.server(new FakeApi(), {
      tls: { cert: await read('server.pem'), key: await read('server.key'), clientCa: ca },
    });
    const known = { ca, serverName: 'manager.example', cert: await read('client.pem'), key: await read('client.key') };
    await world.client(server.addresses, { tls: known }).listVolumes({}, patient());
    const anonymous = world.client(server.addresses, { tls: { ca, serverName: 'manager.example' } });
    expect((await rejection(anonymous.listVolumes({}, patient()))).kind).to.equal('unavailable');
  });
});
