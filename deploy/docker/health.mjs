import { connect as connectHttp2, constants } from 'node:http2';
import { connect as connectSocket } from 'node:net';

/**
 * `node health.mjs HOST:PORT|unix:PATH`: asks grpc.health.v1.Health/Check and ends with 0 only when the answer is SERVING.
 * It needs no library, so that a health check costs little. Whoever runs it bounds its time.
 */
const address = process.argv[2] ?? '127.0.0.1:7400';
const session = connectHttp2('http://volplane', { createConnection: () => connectSocket(socketOptions(address)) });
/** @type {Buffer[]} */
const chunks = [];
session.on('error', (/** @type {Error} */ error) => {
  console.error(`${address} does not answer: ${error.message}`);
  process.exitCode = 1;
});
const request = session.request({
  [constants.HTTP2_HEADER_METHOD]: 'POST',
  [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
  [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
  [constants.HTTP2_HEADER_TE]: 'trailers',
});
request.on('data', (/** @type {Buffer} */ chunk) => chunks.push(chunk));
request.on('error', () => {
  process.exitCode = 1;
});
request.on('end', () => {
  const serving = Buffer.concat(chunks).equals(SERVING);
  console.log(serving ? 'SERVING' : 'NOT_SERVING');
  process.exitCode = serving ? 0 : 1;
  session.close();
});

/** A frame of gRPC: not compressed, four bytes of length, the message. An empty request asks for the server as a whole. */
const EMPTY = Buffer.from([0, 0, 0, 0, 0]);
/** `status = 1`, the whole of a HealthCheckResponse that says so. */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 0x08, 0x01]);
request.end(EMPTY);

/** @param {string} text */
function socketOptions(text) {
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length) };
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) };
}
