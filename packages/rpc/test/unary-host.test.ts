import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@volplane/base';
import { UnaryHost, type UnaryHandler } from '@volplane/rpc';
import { status, type ServiceDefinition } from '@grpc/grpc-js';
import { expect } from 'chai';
import { RawClient, refusal } from './raw-client.js';

/** Method: a service of one call, whose messages are bytes and whose failures are shown as they are. */
describe('a host of unary calls', () => {
  let folder: string;
  let host: UnaryHost;
  let raw: RawClient;
  let answer: UnaryHandler;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-host-'));
    const address = `unix://${join(folder, 'host.sock')}`;
    host = await UnaryHost.open({
      address,
      services: [{ definition: DEFINITION, handlers: { call: (request, call) => answer(request, call) } }],
      toStatus: (error) => ({ code: 'INVALID_ARGUMENT', message: error instanceof Error ? error.message : '' }),
      clock: systemClock,
      log: silentLogger,
    });
    raw = new RawClient(address);
  });

  afterEach(async () => {
    raw.close();
    await host.close();
    await rm(folder, { recursive: true });
  });

  const ask = (): Promise<Buffer> => raw.unary(PATH, Buffer.from('asked'));
  const failWith = async (message: string): Promise<string> => {
    answer = () => Promise.reject(new Error(message));
    const seen = await refusal(ask());
    expect(seen.code).to.equal(status.INVALID_ARGUMENT);
    return seen.message;
  };

  it('answers with what the handler answers, and with what it fails with', async () => {
    answer = (request: Buffer) => Promise.resolve(Buffer.concat([Buffer.from('not '), request]));
    expect((await ask()).toString()).to.equal('not asked');
    expect(await failWith('planted')).to.equal('planted');
  });

  it('answers when the handler throws before it has a promise', async () => {
    answer = () => {
      throw new Error('at once');
    };
    expect((await refusal(ask())).message).to.equal('at once');
  });

  it('answers with half a character in the message', async () => {
    expect(await failWith('cut \ud83d')).to.equal('cut \ufffd');
  });

  it('cuts a message that is too long for a header, and goes on', async () => {
    expect(await failWith('é'.repeat(100_000))).to.match(/^é+…$/);
    expect(await failWith('short')).to.equal('short');
  });
});

const PATH = '/test.Host/Call';
const same = (bytes: Buffer): Buffer => bytes;

const DEFINITION: ServiceDefinition = {
  call: {
    path: PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};
