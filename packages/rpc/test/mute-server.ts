import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** Takes connections and never says a word: to a client the connection is being made for ever. */
export class MuteServer {
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    this.connections += 1;
  });
  readonly #sockets = new Set<Socket>();
  /** How many there were. */
  connections = 0;

  static async open(): Promise<MuteServer> {
    const mute = new MuteServer();
    mute.#server.listen(0, '127.0.0.1');
    await once(mute.#server, 'listening');
    return mute;
  }

  get address(): string {
    // It listens on TCP.
    return `127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
