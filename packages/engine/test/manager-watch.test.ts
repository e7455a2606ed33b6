import type { VolumeEvent } from '@volplane/domain';
import { expect } from 'chai';
import { context, World, type TestManager } from './world.js';

describe('Manager, watching volumes', () => {
  let world: World;
  let manager: TestManager;

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1');
    await world.agent('n1');
    for (const name of ['v1', 'v2', 'v3']) await world.settle(manager.api.createVolume({ name, driver: 'shared' }, context()));
  });

  afterEach(() => world.end());

  it('shows a slow watcher no state older than one that it was shown before', async () => {
    const events = manager.api.watchVolumes({}, context())[Symbol.asyncIterator]();
    const seen: VolumeEvent[] = [];
    const next = async (): Promise<void> => {
      const result = await world.settle(events.next());
      seen.push(result.value as VolumeEvent); // a watch ends only by its signal
    };
    await next();
    for (const label of ['a', 'b']) await world.settle(manager.api.updateLabels({ name: 'v2', set: { label }, drop: [] }, context()));
    await world.settle(manager.api.removeVolume({ name: 'v3' }, context()));
    while (!seen.some(({ type }) => type === 'removed')) await next();
    const revisions = seen.flatMap((event) => ('volume' in event && event.volume.name === 'v2' ? [event.revision] : []));
    expect(revisions).to.deep.equal([...revisions].sort((one, other) => one - other));
    expect(revisions).to.have.length(3);
    const synced = seen.findIndex(({ type }) => type === 'synced');
    // Whoever begins anew behind it misses nothing of what comes after it.
    for (const event of seen.slice(synced + 1))
      expect(event)
        .to.have.property('revision')
        .above((seen[synced] as { revision: number }).revision);
  });
});
