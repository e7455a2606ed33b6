import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { AppError, systemClock } from '@volplane/base';
import { gate, ManualClock, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { awaitGreeting, formatServerAddress, parseServerAddress } from '../src/server-address.js';

describe('address of a NATS server', () => {
  it('is a url, or host and port', () => {
    expect(parseServerAddress('nats://bus.example:4333')).to.deep.equal({ host: 'bus.example', port: 4333, tls: false });
    expect(parseServerAddress('tls://bus.example')).to.deep.equal({ host: 'bus.example', port: 4222, tls: true });
    expect(parseServerAddress('bus.example:80')).to.deep.equal({ host: 'bus.example', port: 80, tls: false });
    expect(parseServerAddress('10.0.0.1')).to.deep.equal({ host: '10.0.0.1', port: 4222, tls: false });
    expect(parseServerAddress('nats://[::1]:4222/')).to.deep.equal({ host: '::1', port: 4222, tls: false });
  });

  it('is written with the port, and IPv6 in brackets', () => {
    expect(formatServerAddress({ host: '::1', port: 4222, tls: false })).to.equal('[::1]:4222');
    expect(formatServerAddress({ host: 'bus.example', port: 4222, tls: true })).to.equal('bus.example:4222');
  });

  it('is refused when it means something else, and a password in it is not repeated', () => {
    for (const text of ['', 'http://bus:4222', 'ws://bus', 'nats://', 'nats://bus:99999', 'nats://bus/path', 'nats://bus?x=1', 'a b']) {
      expect(() => parseServerAddress(text), text)
        .to.throw(AppError)
        .with.property('reason', 'INVALID_ARGUMENT');
    }
    expect(() => parseServerAddress('nats://me:hunter2@bus:4222'))
      .to.throw(AppError)
      .with.property('message')
      .that.does.not.include('hunter2');
  });
});

describe('greeting of a NATS server', () => {
  let server: Server;
  const sockets = new Set<Socket>();

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  /** Listens on a free port and does `greet` with every connection. */
  async function listen(greet: (socket: Socket) => void): Promise<{ host: string; port: number; tls: boolean }> {
    const listening = gate();
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      greet(socket);
    });
    server.listen(0, '127.0.0.1', listening.open);
    await listening.opened;
    const { port } = server.address() as AddressInfo;
    return { host: '127.0.0.1', port, tls: false };
  }

  const options = { clock: systemClock, timeoutMs: 30_000, signal: new AbortController().signal };

  it('is awaited, and the connection closed', async () => {
    const address = await listen((socket) => socket.write('INFO {}\r\n'));
    await awaitGreeting(address, options);
    await waitFor(() => sockets.size === 0, { what: 'the connection is closed' });
  });

  it('fails for what speaks otherwise, hangs up, or does not listen', async () => {
    const other = await listen((socket) => socket.write('HTTP/1.1 400\r\n'));
    expect(await textOf(awaitGreeting(other, options))).to.include('is no NATS server');
    server.close();
    expect(await textOf(awaitGreeting(other, options))).to.include('ECONNREFUSED');
    const silent = await listen((socket) => socket.end());
    expect(await textOf(awaitGreeting(silent, options))).to.include('hung up');
  });

  it('fails in time when the server is frozen, and keeps no connection', async () => {
    const address = await listen(() => undefined);
    const clock = new ManualClock();
    const greeting = textOf(awaitGreeting(address, { ...options, clock }));
    await waitFor(() => sockets.size === 1, { what: 'the connection is made' });
    await clock.advance(options.timeoutMs);
    expect(await greeting).to.include('no greeting');
    await waitFor(() => sockets.size === 0, { what: 'the connection is closed' });
  });

  it('is given up when the signal fires, and keeps no connection', async () => {
    const address = await listen(() => undefined);
    const controller = new AbortController();
    const greeting = rejection(awaitGreeting(address, { ...options, signal: controller.signal }));
    await waitFor(() => sockets.size === 1, { what: 'the connection is made' });
    controller.abort();
    expect((await greeting).reason).to.equal('CANCELLED');
    await waitFor(() => sockets.size === 0, { what: 'the connection is closed' });
  });
});

async function textOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'it succeeded',
    (error: unknown) => String(error),
  );
}
