import { AppError, silentLogger, systemClock } from '@volplane/base';
import { parseMountTable } from '@volplane/host';
import { ManualClock, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import type { EngineContainer } from '../src/engine/engine-client.js';
import { showsFolder } from '../src/engine/foreign-mounts.js';
import { findStaleUses, type VolumeUses } from '../src/engine/stale-uses.js';
import { UseReconciler } from '../src/engine/use-reconciler.js';

const OLD = 1_000_000;
const CALM = new AbortController().signal;
const uses = (volume: string, ageMs = OLD): VolumeUses => ({
  volume,
  members: [
    { member: 'docker:a', ageMs },
    { member: 'docker:b', ageMs: OLD },
  ],
});
const container = (state: string, name = 'data', driver = 'volplane'): EngineContainer => ({ id: 'c', state, volumes: [{ name, driver }] });

describe('stale uses', () => {
  const stale = (held: readonly VolumeUses[], containers: readonly EngineContainer[]): readonly string[] =>
    findStaleUses(held, { containers, drivers: ['volplane'] }, 150_000).map(({ volume }) => volume);

  it('are all uses of a volume without a container that may run', () => {
    const held = [uses('data')];
    expect(findStaleUses(held, { containers: [], drivers: ['volplane'] }, 150_000)).to.deep.equal([
      { volume: 'data', members: ['docker:a', 'docker:b'] },
    ]);
    for (const state of ['created', 'exited', 'dead']) expect(stale(held, [container(state)]), state).to.deep.equal(['data']);
    for (const state of ['running', 'paused', 'restarting', 'removing', 'invented'])
      expect(stale(held, [container(state)]), state).to.deep.equal([]);
  });

  it('are none while one use is young', () => {
    expect(stale([uses('data', 149_999)], [])).to.deep.equal([]);
  });

  it('look at the volume and the plugin of a container', () => {
    expect(stale([uses('data')], [container('running', 'other'), container('running', 'data', 'local')])).to.deep.equal(['data']);
    expect(stale([uses('data')], [container('exited'), container('running', 'data', 'volplane:latest')])).to.deep.equal([]);
  });
});

describe('use reconciler', () => {
  let containers: readonly EngineContainer[] | AppError;
  let ended: string[];
  let elsewhere: boolean;
  let learnable: boolean;

  const reconciler = (more: Partial<ConstructorParameters<typeof UseReconciler>[0]> = {}): UseReconciler =>
    new UseReconciler({
      plugins: [
        {
          name: 'volplane',
          learn: async () => {
            if (!learnable) throw new AppError('NO_MANAGER', 'no manager answers');
          },
          uses: () => [uses('data')],
          path: async () => '/mnt/data',
          end: (volume, members) => ended.push(`${volume} ${members.join(',')}`),
        },
      ],
      engines: [
        {
          listContainers: async () => {
            if (containers instanceof AppError) throw containers;
            return containers;
          },
        },
      ],
      isMountedElsewhere: async () => elsewhere,
      clock: systemClock,
      log: silentLogger,
      ...more,
    });

  beforeEach(() => {
    containers = [];
    ended = [];
    elsewhere = false;
    learnable = true;
  });

  it('ends what two looks in a row find unused', async () => {
    const looking = reconciler();
    await looking.look(CALM);
    expect(ended).to.deep.equal([]);
    await looking.look(CALM);
    expect(ended).to.deep.equal(['data docker:a,docker:b']);
  });

  it('starts over when a container was there in between', async () => {
    const looking = reconciler();
    await looking.look(CALM);
    containers = [container('running')];
    await looking.look(CALM);
    containers = [];
    await looking.look(CALM);
    expect(ended).to.deep.equal([]);
  });

  it('ends nothing while an engine does not answer', async () => {
    const looking = reconciler();
    await looking.look(CALM);
    containers = new AppError('DRIVER_UNAVAILABLE', 'the engine is away');
    expect((await rejection(looking.look(CALM))).message).to.equal('the engine is away');
    expect(ended).to.deep.equal([]);
  });

  it('says once that an engine cannot be asked, and once that it can again', async () => {
    const clock = new ManualClock();
    const said: string[] = [];
    const note = (message: string): void => {
      said.push(message);
    };
    const stop = new AbortController();
    const looking = reconciler({ clock, log: { ...silentLogger, warn: note, info: note } });
    containers = new AppError('DRIVER_UNAVAILABLE', 'the engine is away');
    const running = looking.run(stop.signal);
    const next = async (): Promise<void> => {
      await waitFor(() => clock.waiting > 0, { what: 'a look has ended' });
      await clock.advance(60_000);
    };
    await next();
    await next();
    expect(said).to.deep.equal(['uses of volumes cannot be compared with the containers that run']);
    containers = [];
    await next();
    await next();
    expect(said.slice(1)).to.deep.equal(['uses of volumes are compared with the containers that run again']);
    stop.abort();
    await running;
  });

  it('ends nothing that the kernel shows mounted elsewhere', async () => {
    elsewhere = true;
    const looking = reconciler();
    await looking.look(CALM);
    await looking.look(CALM);
    expect(ended).to.deep.equal([]);
  });

  it('ends nothing before it knows what the node held before', async () => {
    learnable = false;
    const looking = reconciler();
    expect((await rejection(looking.look(CALM))).reason).to.equal('NO_MANAGER');
  });
});

describe('foreign mounts', () => {
  const table = (...lines: readonly string[]): ReturnType<typeof parseMountTable> => parseMountTable(lines.join('\n'));
  const ROOT = '27 1 254:0 / / rw - ext4 /dev/vda rw';
  const LOOP = '40 27 7:0 / /mnt/data rw - ext4 /dev/loop0 rw';

  it('are binds of the folder, or of a part of it, under another path', () => {
    const own = table(ROOT);
    const bind = (root: string, target: string): ReturnType<typeof table> =>
      table('50 1 0:60 / / rw - overlay overlay rw', `51 50 254:0 ${root} ${target} rw - ext4 /dev/vda rw`);
    expect(showsFolder(bind('/mnt/data', '/data'), '/mnt/data', own)).to.equal(true);
    expect(showsFolder(bind('/mnt/data/sub', '/data'), '/mnt/data', own)).to.equal(true);
    expect(showsFolder(bind('/mnt/data-2', '/data'), '/mnt/data', own)).to.equal(false);
    expect(showsFolder(bind('/mnt', '/data'), '/mnt/data', own)).to.equal(false);
    expect(showsFolder(own, '/mnt/data', own)).to.equal(false);
  });

  it("are mounts of the same file system, but not copies of the volume's own mount", () => {
    const own = table(ROOT, LOOP);
    expect(showsFolder(own, '/mnt/data', own)).to.equal(false);
    expect(showsFolder(table('60 1 7:0 / /data rw - ext4 /dev/loop0 rw'), '/mnt/data', own)).to.equal(true);
    expect(showsFolder(table('60 1 7:1 / /data rw - ext4 /dev/loop1 rw'), '/mnt/data', own)).to.equal(false);
  });
});
