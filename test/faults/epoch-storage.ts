import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A storage of tests that checks epochs, reached over HTTP: what evidence B counts on. Every request has an epoch in the header `x-epoch`. */
export interface EpochStorage {
  /** Where it is: `<base>/<uid>` is a volume. */
  readonly base: string;
  /** Where the records of one volume are appended by POST, and lower epochs are ended by PUT. */
  url(uid: string): string;
  /** What the volume holds, in the order in which it came. */
  records(uid: string): readonly string[];
  /** While true it fences nothing, and says why. */
  locked: boolean;
  stop(): Promise<void>;
}

interface StoredVolume {
  highestEpoch: number;
  readonly records: string[];
}

/** Listens on a free loopback port. What comes with a lower epoch than the highest that the volume has seen is refused with 409, for ever. */
export async function startEpochStorage(): Promise<EpochStorage> {
  const volumes = new Map<string, StoredVolume>();
  const state = { locked: false };
  const server = createServer((request, response) => {
    serve(volumes, state, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  // A writer that was paused finds its connection as it left it, and is told the storage's word.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const base = `http://127.0.0.1:${String(port)}`;
  return {
    base,
    get locked(): boolean {
      return state.locked;
    },
    set locked(locked: boolean) {
      state.locked = locked;
    },
    url: (uid) => `${base}/${uid}`,
    records: (uid) => volumes.get(uid)?.records ?? [],
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function serve(
  volumes: Map<string, StoredVolume>,
  state: { readonly locked: boolean },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const record = await text(request);
  const epoch = Number(request.headers['x-epoch']);
  const uid = request.url?.slice(1) ?? '';
  const isFence = request.method === 'PUT';
  if ((!isFence && request.method !== 'POST') || !Number.isSafeInteger(epoch) || epoch < 1) {
    response.writeHead(400).end('POST or PUT with an epoch');
    return;
  }
  if (isFence && state.locked) {
    response.writeHead(423).end('the array is locked');
    return;
  }
  const volume = volumes.get(uid) ?? { highestEpoch: 0, records: [] };
  volumes.set(uid, volume);
  // Compared and stored in one step: nothing comes between.
  if (epoch < volume.highestEpoch) {
    response.writeHead(409).end(`epoch ${String(epoch)} is over: ${String(volume.highestEpoch)} has written`);
    return;
  }
  volume.highestEpoch = epoch;
  if (!isFence) volume.records.push(record);
  response.writeHead(200).end(isFence ? `epochs below ${String(epoch)} are refused` : '');
}
