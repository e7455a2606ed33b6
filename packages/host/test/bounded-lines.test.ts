import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { silentLogger, systemClock } from '@volplane/base';
import { expect } from 'chai';
import { boundedLines, LINE_BYTES_MAX } from '../src/guardian/bounded-lines.js';
import { GuardianServer } from '../src/index.js';

describe('bounded lines', () => {
  const half = Buffer.alloc(LINE_BYTES_MAX / 2, 'x');

  it('ends a connection at a line that is too long, however it is cut', () => {
    const stream = new PassThrough({ highWaterMark: 2 * LINE_BYTES_MAX });
    boundedLines(stream);
    stream.emit('data', Buffer.concat([half, half, Buffer.from('\n'), half]));
    stream.emit('data', half);
    expect(stream.destroyed).to.equal(false);
    stream.emit('data', Buffer.from('x'));
    expect(stream.destroyed).to.equal(true);
  });

  it('bound what the guardian reads', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'volplane-guardian-'));
    const server = await GuardianServer.open({
      folder,
      clock: systemClock,
      now: () => systemClock.monotonicMs(),
      abort: () => Promise.resolve(),
      isMounted: () => Promise.resolve(false),
      log: silentLogger,
    });
    try {
      const socket = createConnection(join(folder, 'guardian.sock'));
      await new Promise<void>((resolve) => {
        // The write may fail as well, because the other side is gone.
        socket
          .on('error', () => undefined)
          .on('close', () => {
            resolve();
          });
        for (let part = 0; part < 4; part += 1) socket.write(half);
      });
    } finally {
      await server.close();
      await rm(folder, { recursive: true });
    }
  });
});
