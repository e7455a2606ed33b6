import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ECHO_PATH } from './echo-path.js';

/** The least that a unary call over grpc-js can cost: bytes come, the same bytes go. A process of its own; tells its port on stdout. */
const server = new Server({ 'grpc.enable_channelz': 0 });
const same = (bytes: Buffer): Buffer => bytes;
server.addService(
  {
    echo: {
      path: ECHO_PATH,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  },
  {
    echo: (call: { readonly request: Buffer }, callback: (error: null, answer: Buffer) => void) => {
      callback(null, call.request);
    },
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
