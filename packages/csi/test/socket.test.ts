import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectHttp2, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { silentLogger, systemClock, systemRandom } from '@volplane/base';
import { fakeApi, FakeCluster, rejection } from '@volplane/testkit';
import { CsiServer } from '../src/csi-server.js';
import { CSI_DEFAULTS } from '../src/options.js';
import { CsiClient } from './support/csi-client.js';
import { CsiWorld, GLOBAL } from './support/csi-world.js';

describe('the csi socket', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'csi-socket-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  function open(endpoint: string, socketMode?: number): Promise<CsiServer> {
    const api = fakeApi(new FakeCluster({ nodes: [{ name: 'n1', drivers: [GLOBAL] }] }));
    const options = { ...CSI_DEFAULTS, vendorVersion: '1', defaultDriver: 'shared' };
    const mode = socketMode === undefined ? {} : { socketMode };
    return CsiServer.open({ endpoint, options, clock: systemClock, random: systemRandom, log: silentLogger, controller: { api }, ...mode });
  }

  async function probe(path: string): Promise<void> {
    const client = new CsiClient(path);
    try {
      await client.call('Probe', {});
    } finally {
      client.close();
    }
  }

  for (const spelling of ['unix://PATH', 'unix:PATH', 'PATH']) {
    it(`is served for the endpoint ${spelling}`, async () => {
      const path = join(folder, 'csi.sock');
      const server = await open(spelling.replace('PATH', path));
      await probe(path);
      await server.close();
    });
  }

  it('is for root alone, or for whom it is told', async () => {
    const path = join(folder, 'csi.sock');
    for (const [mode, expected] of [[undefined, 0o600] as const, [0o660, 0o660] as const]) {
      const server = await open(path, mode);
      expect((await lstat(path)).mode & 0o777).to.equal(expected);
      await server.close();
    }
  });

  it('is gone when the plugin is closed, and closing it again is fine', async () => {
    const path = join(folder, 'csi.sock');
    const server = await open(path);
    await server.close();
    await server.close();
    const found = await lstat(path).catch((error: unknown) => error);
    expect(found).to.have.property('code', 'ENOENT');
  });

  it('that a killed process has left is taken over', async () => {
    const path = join(folder, 'csi.sock');
    const child = fork(fileURLToPath(new URL('support/socket-holder.ts', import.meta.url)), [path]);
    await once(child, 'message');
    await killed(child);
    expect((await lstat(path)).isSocket()).to.equal(true);
    const server = await open(path);
    await probe(path);
    await server.close();
  });

  it('of a living process is left alone', async () => {
    const path = join(folder, 'csi.sock');
    const server = await open(path);
    expect((await rejection(open(path))).reason).to.equal('FOREIGN_DATA');
    await probe(path);
    await server.close();
  });

  it('never replaces a file that is no socket', async () => {
    const path = join(folder, 'csi.sock');
    await writeFile(path, 'data');
    expect((await rejection(open(path))).reason).to.equal('FOREIGN_DATA');
  });

  it('is refused loudly where its path would be cut off', async () => {
    const error = await rejection(open(join(folder, 'd'.repeat(100), 'csi.sock')));
    expect(error.reason).to.equal('INVALID_ARGUMENT');
    expect(error.message).to.contain('at most 107');
  });

  it('survives callers that connect and say nothing, or nonsense', async () => {
    const path = join(folder, 'csi.sock');
    const server = await open(path);
    const silent = connect(path);
    const rude = connect(path);
    await Promise.all([once(silent, 'connect'), once(rude, 'connect')]);
    rude.on('error', () => undefined);
    rude.write('GET / HTTP/1.1\r\n\r\n');
    await probe(path);
    silent.destroy();
    rude.destroy();
    await server.close();
  });
});

/** What the HTTP/2 library under every server on Node takes and what it does not: nothing in JavaScript can change that. */
describe('the :authority of a csi caller', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  for (const authority of ['localhost', 'csi.sock', '%2Frun%2Fcsi%2Fcsi.sock']) {
    it(`is fine as ${authority}`, async () => {
      expect(await probeStatus(world.server.path, authority)).to.equal('0');
    });
  }

  for (const [who, authority] of [
    ['nomad 12359, kubernetes 107093, k3s 5346, democratic-csi 164 (before their fixes)', '/run/csi/csi.sock'],
    ['secrets-store-csi-driver 1862', ''],
  ] as const) {
    it(`is refused as ${JSON.stringify(authority)} (${who}), and other callers are served on`, async () => {
      expect(await probeStatus(world.server.path, authority)).to.equal('reset');
      await world.call('Probe');
    });
  }
});

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** The gRPC status of a Probe that is sent with this authority; `reset` when the stream is reset. */
async function probeStatus(path: string, authority: string): Promise<string> {
  const session: ClientHttp2Session = connectHttp2('http://localhost', { createConnection: () => connect(path) });
  try {
    return await new Promise<string>((resolve, reject) => {
      session.once('error', reject);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/csi.v1.Identity/Probe',
        ':scheme': 'http',
        ':authority': authority,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.once('trailers', (trailers: IncomingHttpHeaders) => {
        resolve(String(trailers['grpc-status']));
      });
      stream.on('error', () => undefined);
      stream.once('close', () => {
        resolve(stream.rstCode === constants.NGHTTP2_PROTOCOL_ERROR ? 'reset' : `closed with ${stream.rstCode}`);
      });
      stream.resume();
      // An empty message: no compression, no bytes.
      stream.end(Buffer.alloc(5));
    });
  } finally {
    session.destroy();
  }
}
