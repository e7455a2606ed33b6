import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A storage of tests that checks epochs, reached over HTTP: what evidence B counts on. */
export interface EpochStorage {
  /** Where the records of one volume are appended: POST with the epoch of the mount in the header `x-epoch`. */
  url(uid: string): string;
  /** What the volume holds, in the order in which it came. */
  records(uid: string): readonly string[];
  stop(): Promise<void>;
}

interface StoredVolume {
  highestEpoch: number;
  readonly records: string[];
}

/** Listens on a free loopback port. A record with a lower epoch than the highest that the volume has seen is refused with 409, for ever. */
export async function startEpochStorage(): Promise<EpochStorage> {
  const volumes = new Map<string, StoredVolume>();
  const server = createServer((request, response) => {
    append(volumes, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    url: (uid) => `http://127.0.0.1:${String(port)}/${uid}`,
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

async function append(volumes: Map<string, StoredVolume>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const record = await text(request);
  const epoch = Number(request.headers['x-epoch']);
  const uid = request.url?.slice(1) ?? '';
  if (request.method !== 'POST' || !Number.isSafeInteger(epoch) || epoch < 1) {
    response.writeHead(400).end('POST with an epoch');
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
  volume.records.push(record);
  response.writeHead(204).end();
}
