import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { connect, type Msg } from 'nats';
import { CHAIN_DOCUMENT, CHAIN_SUBJECTS, type ChainPlaces } from './chain-path.js';

/** The other end of the bare chain: two folders and a file, durable, or a put. A process of its own; tells on stdout that it listens. */
const { etcd: host, nats: servers, root } = JSON.parse(process.argv[2] ?? '') as ChainPlaces;
const etcd = new Etcd3({ hosts: host });
const nats = await connect({ servers });

async function makeFolder(name: string): Promise<void> {
  const staged = join(root, `.${name}`);
  await mkdir(staged);
  await mkdir(join(staged, '_data'));
  await synced(join(staged, 'volume.json'), CHAIN_DOCUMENT.slice(0, MARKER_BYTES));
  await synced(staged);
  await rename(staged, join(root, name));
  await synced(root);
}

/** @param text - what a new file holds; absent = what is there */
async function synced(path: string, text?: string): Promise<void> {
  const file = await open(path, text === undefined ? 'r' : 'wx');
  try {
    if (text !== undefined) await file.write(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** As long as the marker of a volume. */
const MARKER_BYTES = 200;

function serve(subject: string, work: (name: string) => Promise<unknown>): void {
  const answer = async (message: Msg): Promise<void> => {
    await work(message.string());
    message.respond(message.data);
  };
  nats.subscribe(subject, {
    callback: (error, message) => {
      if (error !== null) throw error;
      // Without an answer the front's request fails, and with it the bench.
      answer(message).catch((fault: unknown) => {
        process.stderr.write(`${String(fault)}\n`);
      });
    },
  });
}

serve(CHAIN_SUBJECTS.folder, makeFolder);
serve(CHAIN_SUBJECTS.put, async (name) => await etcd.put(`/chain/${name}`).value(CHAIN_DOCUMENT));
await nats.flush();
process.stdout.write('ready\n');
