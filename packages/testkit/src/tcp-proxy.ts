import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePorts } from './server-process.js';

/** A way to a server that a test can cut, so that one user loses the server and others do not. */
export interface TcpProxy {
  readonly port: number;
  /** The number of connections that are open through it. */
  readonly connections: number;
  /** Breaks every connection and refuses further ones. */
  cut(): Promise<void>;
  /** Accepts connections again. */
  mend(): Promise<void>;
  /** Keeps connections open and lets no byte through, as a network that loses every packet; or none of the server's. */
  freeze(what?: 'everything' | 'answers'): void;
  /** Lets the bytes through that waited, and all later ones. */
  thaw(): void;
  /** Ends it. Safe to call again. */
  stop(): Promise<void>;
}

/** Listens on a free loopback port and passes everything on to `targetPort` of loopback. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let frozen: 'nothing' | 'everything' | 'answers' = 'nothing';
  // Out of the way of outgoing connections: one of them could take the port while the proxy is cut, most easily who tries to reach it.
  const [port = 0] = await freePorts(1);
  let server = await listen(port, pass);

  function pass(client: Socket): void {
    const upstream = connect(targetPort, '127.0.0.1');
    const pair = { client, upstream };
    pairs.add(pair);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        flow(pair);
      });
      from.once('close', () => {
        pairs.delete(pair);
        to.destroy();
      });
      // The close that follows does what there is to do.
      from.once('error', () => from.destroy());
    }
    flow(pair);
  }

  function flow({ client, upstream }: Pair): void {
    if (frozen === 'everything') client.pause();
    else client.resume();
    if (frozen === 'nothing') upstream.resume();
    else upstream.pause();
  }

  const freeze = (what: typeof frozen): void => {
    frozen = what;
    for (const pair of pairs) flow(pair);
  };

  const cut = async (): Promise<void> => {
    const closed = close(server);
    for (const { client, upstream } of [...pairs]) {
      client.destroy();
      upstream.destroy();
    }
    await closed;
  };

  return {
    port,
    get connections() {
      return pairs.size;
    },
    cut,
    async mend() {
      server = await listen(port, pass);
    },
    freeze(what = 'everything') {
      freeze(what);
    },
    thaw() {
      freeze('nothing');
    },
    stop: cut,
  };
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}

function listen(port: number, onConnection: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onConnection);
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}
