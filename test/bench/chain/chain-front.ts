import { Server, ServerCredentials } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { connect } from 'nats';
import { CHAIN_DOCUMENT, CHAIN_PATHS, CHAIN_SUBJECTS, type ChainPlaces } from './chain-path.js';

/**
 * The hops of our calls with nothing of ours in them: grpc-js, `nats` and `etcd3` as they come, one call for each volume. It keeps no
 * promise; it shows what the libraries and the machine take for the same way. A process of its own; tells its port on stdout.
 */
const { etcd: host, nats: servers } = JSON.parse(process.argv[2] ?? '') as ChainPlaces;
const etcd = new Etcd3({ hosts: host });
const nats = await connect({ servers });

/** Recorded, made at the other end of NATS, recorded as made. */
async function create(name: Buffer): Promise<void> {
  const key = `/chain/${name.toString()}`;
  await etcd.if(key, 'Create', '==', 0).then(etcd.put(key).value(CHAIN_DOCUMENT)).commit();
  await nats.request(CHAIN_SUBJECTS.folder, name, { timeout: TIMEOUT_MS });
  await etcd.put(key).value(CHAIN_DOCUMENT);
}

/** Recorded at the other end of NATS. */
async function mount(name: Buffer): Promise<void> {
  await nats.request(CHAIN_SUBJECTS.put, name, { timeout: TIMEOUT_MS });
}

const TIMEOUT_MS = 60_000;

const same = (bytes: Buffer): Buffer => bytes;
const bare = { requestStream: false, responseStream: false } as const;
const raw = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
type Answer = (error: Error | null, answer?: Buffer) => void;

const serve =
  (work: (name: Buffer) => Promise<void>) =>
  ({ request }: { readonly request: Buffer }, answer: Answer): void => {
    work(request).then(
      () => {
        answer(null, request);
      },
      (error: unknown) => {
        answer(error instanceof Error ? error : new Error(String(error)));
      },
    );
  };

const server = new Server({ 'grpc.enable_channelz': 0 });
server.addService(
  { create: { path: CHAIN_PATHS.create, ...bare, ...raw }, mount: { path: CHAIN_PATHS.mount, ...bare, ...raw } },
  { create: serve(create), mount: serve(mount) },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
