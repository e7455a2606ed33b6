import { mkdtemp, rm } from 'node:fs/promises';
import { request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@volplane/base';
import { ManualClock, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { PluginEndpoint } from '../src/plugin-endpoint.js';
import { VOLUME_PROTOCOL, type Method, type PluginRequest } from '../src/protocol.js';
import { callPlugin, preparePluginCall } from './plugin-client.js';

/** What bounds a caller, whatever the calls do. */
describe('plugin endpoint', () => {
  let folder: string;
  let socket: string;
  let endpoint: PluginEndpoint<Method, PluginRequest>;
  let handled: string[];
  let signals: AbortSignal[];
  let undelivered: number;
  let clock: ManualClock;
  let release: () => void;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-endpoint-'));
    socket = join(folder, 'plugin.sock');
    handled = [];
    signals = [];
    undelivered = 0;
    clock = new ManualClock();
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    endpoint = await PluginEndpoint.open({
      name: 'plugin',
      protocol: VOLUME_PROTOCOL,
      handle: async (method, { name }, { signal }) => {
        handled.push(`${method} ${name}`);
        signals.push(signal);
        if (name === 'hung') await held;
        // More than connections hold that nobody reads.
        const answer = name === 'large' ? { Text: 'x'.repeat(64 * 2 ** 20) } : {};
        return { answer, undelivered: () => (undelivered += 1) };
      },
      listen: { path: socket },
      clock,
      log: silentLogger,
    });
  });

  afterEach(async () => {
    release();
    const closed = endpoint.close(1_000);
    await clock.advance(1_000);
    await closed;
    await rm(folder, { recursive: true });
  });

  const path = (name: string): ReturnType<typeof callPlugin> => callPlugin(socket, 'VolumeDriver.Path', { Name: name });

  it('lets 256 calls wait for one volume, refuses more at once, and serves the others', async () => {
    const waiting = Array.from({ length: 256 }, () => path('hung'));
    await waitFor(() => handled.length === 256, { what: 'all calls have begun' });
    expect((await path('hung')).body['Err']).to.contain('[OVERLOADED]');
    expect((await path('data')).status).to.equal(200);
    release();
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).to.deep.equal(new Set([200]));
    expect((await path('hung')).status).to.equal(200);
  });

  it('keeps a connection for later calls, without a word of its end, and ends one with a body that was not read whole', async () => {
    const kept = await headersOf(JSON.stringify({ Name: 'data' }));
    // Node tells a time when it has one: it would close the connection then.
    expect(kept).to.not.have.property('keep-alive');
    expect(kept['connection']).to.equal('keep-alive');
    expect((await headersOf(JSON.stringify({ Name: 'x'.repeat(2 ** 21) })))['connection']).to.equal('close');
  });

  it('begins no call once it is stopping', async () => {
    const outgoing = post({ Expect: '100-continue' });
    await new Promise((resolve) => {
      outgoing.once('continue', resolve);
      outgoing.flushHeaders();
    });
    const closing = endpoint.close(10_000);
    const answered = new Promise<string>((resolve, reject) => {
      outgoing.once('error', reject).once('response', (response) => {
        let text = '';
        response
          .on('data', (chunk: Buffer) => (text += chunk.toString()))
          .once('end', () => {
            resolve(text);
          });
      });
    });
    outgoing.end(JSON.stringify({ Name: 'data' }));
    expect(await answered).to.contain('[SHUTTING_DOWN]');
    expect(handled).to.deep.equal([]);
    await closing;
  });

  it('cuts what still hangs after the time that calls get at its end', async () => {
    const hung = path('hung').then(
      () => 'answered',
      () => 'cut',
    );
    await waitFor(() => handled.length === 1, { what: 'the call has begun' });
    const closed = endpoint.close(1);
    await clock.advance(1);
    await closed;
    expect(await hung).to.equal('cut');
  });

  it('tells a call that its caller is gone, or that its time is over', async () => {
    const leaving = preparePluginCall(socket, 'VolumeDriver.Path');
    leaving.promise.catch(() => undefined);
    leaving.send({ Name: 'hung' });
    await waitFor(() => handled.length === 1, { what: 'the call has begun' });
    leaving.destroy();
    await waitFor(() => signals[0]?.aborted === true, { what: 'it is told' });
    const late = path('hung');
    await waitFor(() => handled.length === 2, { what: 'the next has begun' });
    await clock.advance(60_000);
    expect((await late).body['Err']).to.contain('[DEADLINE_EXCEEDED]');
    expect(signals[1]?.aborted).to.equal(true);
    release();
    await waitFor(() => undelivered === 2, { what: 'what they did is taken back' });
  });

  it('takes back what was answered and not read to its end, and nothing else', async () => {
    await path('data');
    await headersOf(JSON.stringify({ Name: 'data' }), { Connection: 'close' });
    await new Promise<void>((resolve, reject) => {
      const outgoing = post({});
      outgoing.once('error', reject).once('response', () => {
        outgoing.destroy();
        resolve();
      });
      outgoing.end(JSON.stringify({ Name: 'large' }));
    });
    await waitFor(() => undelivered > 0, { what: 'it is taken back' });
    expect(undelivered).to.equal(1);
  });

  function post(headers: Record<string, string>): ReturnType<typeof request> {
    return request({ socketPath: socket, method: 'POST', path: '/VolumeDriver.Path', headers: { Connection: 'keep-alive', ...headers } });
  }

  function headersOf(body: string, headers: Record<string, string> = {}): Promise<IncomingHttpHeaders> {
    return new Promise((resolve, reject) => {
      const outgoing = post(headers);
      outgoing.once('error', reject).once('response', (response) => {
        response.resume().once('end', () => {
          resolve(response.headers);
          outgoing.destroy();
        });
      });
      outgoing.end(body);
    });
  }
});
