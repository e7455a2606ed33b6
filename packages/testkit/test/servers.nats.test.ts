import { expect } from 'chai';
import { connect } from 'node:net';
import { startNatsServer, waitFor, type NatsServer } from '../src/index.js';

describe('startNatsServer', () => {
  let nats: NatsServer;

  before(async () => {
    nats = await startNatsServer();
  });

  after(async () => {
    await nats.stop();
  });

  it('answers PING at its url, also after kill and restart', async () => {
    expect(await pong(nats.url)).to.equal(true);
    await nats.kill();
    await nats.restart();
    expect(await pong(nats.url)).to.equal(true);
  });
});

async function pong(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('utf8');
  });
  try {
    socket.write('PING\r\n');
    return await waitFor(() => heard.includes('PONG'), { what: 'nats-server answered PONG' });
  } finally {
    socket.destroy();
  }
}
