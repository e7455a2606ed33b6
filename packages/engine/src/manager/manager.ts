import { ComponentGroup, noTelemetry, type Clock, type Logger, type Random, type Telemetry } from '@volplane/base';
import type { Bus, KvStore } from '@volplane/ports';
import type { VolplaneApi } from '../api.js';
import { ClusterCache } from '../store/cluster-cache.js';
import { GroupCommit } from '../store/group-commit.js';
import { NodeRecords } from '../store/node-records.js';
import { VolumeRecords } from '../store/volume-records.js';
import { Agents } from './agents.js';
import { Brake, DEFAULT_BRAKE, type BrakeLimits } from './brake.js';
import { Capacity } from './capacity.js';
import { ChangeLog } from './change-log.js';
import { Claims } from './claims.js';
import { Explaining } from './explaining.js';
import { Fencing } from './fencing.js';
import { GoneRelease } from './gone-release.js';
import { LostNodes } from './lost-nodes.js';
import { ManagerApi } from './manager-api.js';
import { ManagerLease } from './manager-lease.js';
import { serveAgents } from './manager-messages.js';
import { ManagerNodes } from './manager-nodes.js';
import { ManagerVolumes } from './manager-volumes.js';
import { NodeViews } from './node-view.js';
import { Operations } from './operations.js';
import { SessionEnds } from './session-ends.js';
import { Sessions } from './sessions.js';
import { SnapshotListing } from './snapshot-listing.js';
import { Sweeper } from './sweeper.js';

export interface ManagerOptions {
  /** Unique among the managers that live; a new one at each start. */
  readonly id: string;
  /** Where callers reach it; shown under /volplane/managers/. */
  readonly address: string;
  readonly kv: KvStore;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** How long a silent node's session lives, in milliseconds; whole seconds, at least 2 (etcd's own floor). */
  readonly sessionTtlMs: number;
  readonly brake?: BrakeLimits;
  readonly telemetry?: Telemetry;
}

/** One manager: answers callers and agents, sweeps its share. Any number of them serve at once; none is special. */
export class Manager {
  readonly api: VolplaneApi;
  readonly cache: ClusterCache;
  readonly #group: ComponentGroup;

  private constructor(api: VolplaneApi, cache: ClusterCache, group: ComponentGroup) {
    this.api = api;
    this.cache = cache;
    this.#group = group;
  }

  /** Starts at once; until the store has been read (`ready`) calls wait. */
  static start(options: ManagerOptions): Manager {
    const { kv, bus, clock, random, telemetry = noTelemetry } = options;
    const log = options.log.child({ manager: options.id });
    const group = new ComponentGroup(log);
    const cache = new ClusterCache({ kv, clock, random, log });
    const commits = new GroupCommit({ kv, clock, telemetry });
    const brake = new Brake(cache, clock, options.brake ?? DEFAULT_BRAKE);
    const records = new VolumeRecords({ cache, commits, kv, clock, telemetry, brake: () => brake.engaged() });
    const agents = new Agents({ bus, cache, clock, telemetry });
    const operations = new Operations({ records, cache, agents, random, log });
    const sessions = new Sessions({ kv, commits, cache, clock, log, ttlMs: options.sessionTtlMs });
    const fencing = new Fencing({ records, agents });
    const claims = new Claims({ records, cache, agents, brake, fencing, log });
    const lostNodes = new LostNodes({ records, cache, log });
    const nodeRecords = new NodeRecords({ cache, commits, clock });
    // Before whoever shows nodes at a change of a session.
    const ends = new SessionEnds({ cache, clock, log });
    const views = new NodeViews({ cache, sessions, ends, clock });
    const changes = new ChangeLog({ cache, views, clock });
    const api = new ManagerApi({
      volumes: new ManagerVolumes({ records, cache, agents, operations, sessions, clock, random, log }),
      nodes: new ManagerNodes({ records, nodeRecords, lostNodes, cache, agents, views, log }),
      goneRelease: new GoneRelease({ records, cache, fencing, brake, log }),
      snapshots: new SnapshotListing({ cache, agents }),
      capacity: new Capacity({ cache, agents }),
      explaining: new Explaining({ kv, records, cache, agents, views, clock }),
      cache,
    });
    group.start(cache);
    group.start(new ManagerLease({ kv, id: options.id, address: options.address, clock, log }));
    group.start(new Sweeper({ cache, operations, lostNodes, managerId: options.id, clock, random, log }));
    const subscription = serveAgents({ bus, sessions, claims, changes, api, clock, log });
    group.own({ name: 'agents', close: () => subscription.close() });
    // Both before the subscription, which waits for its handlers.
    group.own(changes);
    group.own({
      name: 'wait for the records',
      close: () => {
        cache.giveUp();
        return Promise.resolve();
      },
    });
    return new Manager(api, cache, group);
  }

  /** Resolves when the cluster's records are in memory. */
  get ready(): Promise<void> {
    return this.cache.filled;
  }

  /** Rejects when a part of the manager failed; never resolves. */
  get failed(): Promise<never> {
    return this.#group.failed;
  }

  stop(): Promise<void> {
    return this.#group.stop();
  }
}
