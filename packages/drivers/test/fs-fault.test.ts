import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { rejection } from '@volplane/testkit';
import { withFsFaults } from '../src/fs-fault.js';

/** The message is all that callers behind a door see: an event of Kubernetes, an answer to Docker. */
describe('a failed system call', () => {
  it('is told with the name that the system has for it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'volplane-fault-'));
    try {
      const error = await rejection(withFsFaults('a look at the root', () => realpath(join(folder, 'missing'))));
      expect(error).to.have.property('reason', 'DRIVER_UNAVAILABLE');
      expect(error).to.have.property('message', 'a look at the root failed (ENOENT)');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
