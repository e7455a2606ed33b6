import { createServer } from 'node:net';

/** Listens on the socket of its argument until it is killed, and so leaves the file behind. */
const [path] = process.argv.slice(2);
createServer().listen(path, () => {
  process.send?.('listening');
});
