import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import type { VolumeView } from '@volplane/domain';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { context, persist, TestCluster } from './test-cluster.js';

/**
 * A manager dies by SIGKILL with many calls in flight, so that calls are cut at every point of their way. The exact points are
 * covered one by one in memory (packages/engine/test and test/sim); here it is the real parts.
 */
describe('kill -9 of a manager in the middle of calls', function () {
  this.timeout(180_000);
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start({ managers: 2, agents: 2 });
  });
  after(() => cluster.stop());

  it('loses nothing: callers are told to retry, another manager finishes, nothing half-made is left', async () => {
    const [first, second] = cluster.managers;
    if (first === undefined || second === undefined) throw new Error('two managers were asked for');
    const dying = cluster.client(first);
    const names = Array.from({ length: 60 }, (_, index) => `made-${String(index)}`);
    const existing = Array.from({ length: 30 }, (_, index) => `old-${String(index)}`);
    await Promise.all(existing.map((name) => persist(() => dying.createVolume({ name, driver: 'shared' }, context()))));

    const calls = [
      ...names.map((name) => dying.createVolume({ name, driver: 'shared' }, context())),
      ...existing.slice(0, 15).map((name) => dying.removeVolume({ name }, context())),
      ...existing.slice(15).map((name) => dying.mountVolume({ name, node: 'node-1', mountId: `use-of-${name}` }, context())),
    ].map((call) =>
      call.then(
        () => 'done',
        (error: unknown) => error,
      ),
    );
    // Some have answered, most have not: the moment is somewhere in the middle of them.
    await Promise.race(calls);
    await first.kill('SIGKILL');
    const outcomes = await Promise.all(calls);
    const failures = outcomes.filter((outcome) => outcome !== 'done');
    for (const failure of failures) {
      expect(failure).to.be.instanceOf(AppError);
      // On a busy machine a manager gives a remove up before it is through; it goes on behind it.
      if (!isRemoving(failure)) expect(failure).to.have.property('kind', 'unavailable');
    }

    // The caller's one duty: the same call again.
    const other = cluster.client(second);
    await Promise.all(names.map((name) => persist(() => other.createVolume({ name, driver: 'shared' }, context()))));
    await Promise.all(existing.slice(0, 15).map((name) => goneAt(() => other.removeVolume({ name }, context()))));
    await Promise.all(
      existing.slice(15).map((name) => persist(() => other.mountVolume({ name, node: 'node-1', mountId: `use-of-${name}` }, context()))),
    );

    const volumes = await waitFor(
      async () => {
        const { volumes: listed } = await persist(() => other.listVolumes({ pageSize: 1000, filter: { scope: 'global' } }, context()));
        return listed.every((volume) => volume.operation === undefined) && listed;
      },
      { what: 'every operation to be finished' },
    );
    expect(volumes.map((volume) => volume.name).sort()).to.deep.equal([...names, ...existing.slice(15)].sort());
    expect(volumes.filter((volume) => volume.phase !== 'ready')).to.deep.equal([]);
    await expectSameFolders(volumes);
    for (const name of existing.slice(15))
      await persist(() => other.unmountVolume({ name, node: 'node-1', mountId: `use-of-${name}` }, context()));
    await first.start();
    await cluster.settled();
  });

  it('finishes what nobody asks for again', async () => {
    const [first, second] = cluster.managers;
    if (first === undefined || second === undefined) throw new Error('two managers were asked for');
    const dying = cluster.client(first);
    const names = Array.from({ length: 40 }, (_, index) => `alone-${String(index)}`);
    const calls = names.map((name) => dying.createVolume({ name, driver: 'shared' }, context()).catch((error: unknown) => error));
    await Promise.race(calls);
    await first.kill('SIGKILL');
    await Promise.all(calls);
    const other = cluster.client(second);
    const volumes = await waitFor(
      async () => {
        const { volumes: listed } = await persist(() => other.listVolumes({ pageSize: 1000, filter: { scope: 'global' } }, context()));
        return listed.every((volume) => volume.operation === undefined && volume.phase === 'ready') && listed;
      },
      { what: 'the other manager to finish or roll back everything' },
    );
    await expectSameFolders(volumes);
    await first.start();
    await cluster.settled();
  });

  async function expectSameFolders(volumes: readonly VolumeView[]): Promise<void> {
    const folders = (await readdir(cluster.sharedRoot)).filter((name) => !name.startsWith('.'));
    expect(folders.sort()).to.deep.equal(volumes.map((volume) => volume.name).sort());
    for (const name of folders) expect(existsSync(join(cluster.sharedRoot, name, '_data')), name).to.equal(true);
  }
});

/** Removed now, or by the manager that died. */
async function goneAt(remove: () => Promise<void>): Promise<void> {
  const isGone = async (): Promise<boolean> => {
    try {
      await persist(remove);
    } catch (error) {
      if (isRemoving(error)) return false;
      if (!(error instanceof AppError) || error.reason !== 'VOLUME_NOT_FOUND') throw error;
    }
    return true;
  };
  await waitFor(isGone, { what: 'the volume to be gone' });
}

function isRemoving(error: unknown): boolean {
  return error instanceof AppError && error.reason === 'VOLUME_REMOVING';
}
