import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@volplane/base';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { EngineClient } from '../src/engine/engine-client.js';

/** Against an engine that answers from memory, with the bounds of versions that real ones have. */
describe('EngineClient', () => {
  let folder: string;
  let engine: Server | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-engine-'));
  });

  afterEach(async () => {
    engine?.close();
    await rm(folder, { recursive: true });
  });

  /** An engine that speaks the versions from `oldest` to `newest`, and one before that says so on a ping. */
  async function serve(oldest: number, newest: number, saysVersion = true): Promise<EngineClient> {
    const socketPath = join(folder, 'engine.sock');
    engine = createServer((request, response) => {
      const [, version, path = request.url ?? ''] = /^\/v1\.([0-9]+)(\/.*)$/.exec(request.url ?? '') ?? [];
      if (path === '/_ping') {
        response.writeHead(200, saysVersion ? { 'Api-Version': `1.${String(newest)}` } : {}).end('OK');
      } else if (version === undefined || Number(version) < oldest || Number(version) > newest) {
        response.writeHead(400).end(JSON.stringify({ message: `client version 1.${version ?? '?'} is not served` }));
      } else if (path.startsWith('/volumes')) response.end(JSON.stringify({ Volumes: null, Warnings: null }));
      else response.end(JSON.stringify([{ Id: 'c', State: 'running', Mounts: [{ Type: 'volume', Name: 'data', Driver: 'volplane' }] }]));
    }).listen(socketPath);
    await once(engine, 'listening');
    return new EngineClient({ socketPath, clock: systemClock });
  }

  it('speaks the version of the engine: engines refuse what is older than they are willing to speak', async () => {
    const client = await serve(44, 52);
    expect(await client.listContainers()).to.deep.equal([{ id: 'c', state: 'running', volumes: [{ name: 'data', driver: 'volplane' }] }]);
    expect(await client.listVolumes()).to.deep.equal({ volumes: [], warnings: [] });
  });

  it('speaks an older version to an engine of before', async () => {
    expect(await (await serve(12, 40)).listContainers()).to.have.length(1);
    engine?.close();
    await rm(join(folder, 'engine.sock'), { force: true });
    expect(await (await serve(12, 41, false)).listContainers()).to.have.length(1);
  });

  it('tells what the engine answered when it refuses', async () => {
    const error = await rejection((await serve(50, 49)).listContainers());
    expect(error).to.have.property('reason', 'DRIVER_UNAVAILABLE');
    expect(error.message).to.include('client version 1.49 is not served');
  });
});
