import { ComponentGroup, KeyedQueue, noTelemetry, type Clock, type Logger, type Random, type Telemetry } from '@volplane/base';
import type { NodeName, NodeUid, StringMap } from '@volplane/domain';
import type { Bus, DriverPrograms, Guardian, Journal, VolumeDriver } from '@volplane/ports';
import { acknowledged } from '@volplane/wire';
import type { VolplaneApi } from '../api.js';
import { AgentApi } from './agent-api.js';
import { AgentBook } from './agent-book.js';
import { serveManagers } from './agent-messages.js';
import { AgentSession } from './agent-session.js';
import { clusterApi } from './cluster-api.js';
import { Commands } from './commands.js';
import { DriverSet } from './driver-set.js';
import { GlobalMounts } from './global-mounts.js';
import { GuardianReport } from './guardian-report.js';
import { bookDigest, HeldLists } from './held-lists.js';
import { InventoryMirror } from './inventory-mirror.js';
import { LeaseGuard } from './lease-guard.js';
import { LocalVolumes } from './local-volumes.js';
import { Managers } from './managers.js';
import { OwedReleases } from './owed-releases.js';
import { Recovery } from './recovery.js';

export interface AgentOptions {
  readonly node: NodeName;
  readonly labels: StringMap;
  readonly version: string;
  /** Names this start of the machine; absent = not known, and then everything is synced to the disk. */
  readonly boot?: string;
  readonly journal: Journal;
  readonly bus: Bus;
  readonly drivers: readonly VolumeDriver[];
  /** Absent: no volume with the takeover policy `lease` is mounted here. */
  readonly guardian?: Guardian;
  /** Absent: drivers run no programs that could outlive them. */
  readonly programs?: DriverPrograms;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly telemetry?: Telemetry;
}

/** One node's agent: runs its drivers, keeps its journal, serves its local volumes alone and the global ones through the managers. */
export class Agent {
  readonly api: VolplaneApi;
  /** The managers' API, for doors that speak for the cluster. */
  readonly cluster: VolplaneApi;
  readonly book: AgentBook;
  readonly session: AgentSession;
  readonly #group: ComponentGroup;

  private constructor(api: VolplaneApi, cluster: VolplaneApi, book: AgentBook, session: AgentSession, group: ComponentGroup) {
    this.api = api;
    this.cluster = cluster;
    this.book = book;
    this.session = session;
    this.#group = group;
  }

  /** Starts without waiting for anybody: local volumes are served at once, what an earlier life left is recovered first of all. */
  static start(options: AgentOptions): Agent {
    const { node, bus, clock, random, telemetry = noTelemetry } = options;
    const log = options.log.child({ node });
    const group = new ComponentGroup(log);
    const book = new AgentBook(options.journal, { boot: options.boot, clock, telemetry });
    const drivers = new DriverSet(options.drivers, { clock, telemetry, programs: options.programs });
    const managers = new Managers({ bus, clock, telemetry });
    const describe = (): { readonly drivers: DriverSet['infos']; readonly labels: StringMap; readonly version: string } => ({
      drivers: drivers.infos,
      labels: options.labels,
      version: options.version,
    });
    const session = new AgentSession({ node, book, managers, clock, random, log, describe, digest: () => bookDigest(book) });
    const releases = new OwedReleases({ book, session, managers, clock, random, log });
    const guard = new LeaseGuard({ guardian: options.guardian, remainingMs: () => session.validUntilMs - clock.monotonicMs(), clock, log });
    const queue = new KeyedQueue({ waitersMax: VOLUME_WAITERS_MAX });
    const mounts = new GlobalMounts({ node, book, session, managers, drivers, releases, guard, queue, log });
    const local = new LocalVolumes({ node, book, drivers, clock, random, log, queue: new KeyedQueue({ waitersMax: VOLUME_WAITERS_MAX }) });
    const commands = new Commands({ node, book, session, drivers, queue, log });
    const api = new AgentApi({ node, book, local, mounts, managers, drivers, clock });
    const recovery = new Recovery({ parts: [mounts, local], clock, log });
    session.listen(sessionDuties({ book, mounts, guard, clock, log }));
    // Built for their listening: they present the lists when a heartbeat asks for them, or when there is something new to tell.
    new HeldLists({ book, session, managers, mounts, log });
    new InventoryMirror({ book, local, session, managers, clock, log });

    options.programs?.onGone(() => {
      recovery.again();
    });
    recovery.begin([
      ...book.mounts().map((record) => ({ part: mounts, name: record.name })),
      ...book.locals().map((record) => ({ part: local, name: record.name })),
    ]);
    group.start(recovery);
    group.start(session);
    group.start(releases);
    const { guardian } = options;
    if (guardian !== undefined) {
      const tell = async (unguarded: boolean, turn: number, signal: AbortSignal): Promise<void> => {
        await managers.ask({ type: 'unguarded', ...session.speaker(), unguarded, turn }, acknowledged, {
          timeoutMs: UNGUARDED_TIMEOUT_MS,
          signal,
        });
      };
      group.start(new GuardianReport({ guardian, session, tell, armAll: () => mounts.armAll(), clock, random, log }));
    }
    const subscription = serveManagers({ node, bus, book, session, commands, mounts, api, clock, log });
    group.own({ name: 'managers', close: () => subscription.close() });
    return new Agent(api, clusterApi(managers, clock), book, session, group);
  }

  get nodeUid(): NodeUid | undefined {
    return this.book.nodeUid;
  }

  /** Rejects when a part of the agent failed; never resolves. */
  get failed(): Promise<never> {
    return this.#group.failed;
  }

  /** Stops the agent and leaves every mount as it is: the next life goes on with it. */
  stop(): Promise<void> {
    return this.#group.stop();
  }
}

function sessionDuties(parts: {
  readonly book: AgentBook;
  readonly mounts: GlobalMounts;
  readonly guard: LeaseGuard;
  readonly clock: Clock;
  readonly log: Logger;
}): Parameters<AgentSession['listen']>[0] {
  const { book, mounts, guard, clock, log } = parts;
  return {
    onBegan: () => {
      book.forgetRemoved().catch((error: unknown) => {
        log.error('what is remembered of removed volumes could not be forgotten', { error });
      });
    },
    onExtended: (validUntilMs) => {
      guard.extend(validUntilMs - clock.monotonicMs());
    },
    onRefused: () => {
      const volumes = book.mounts().flatMap(({ name, mountIds }) => (mountIds.length === 0 ? [] : [name]));
      if (volumes.length > 0) log.error('this node was given up with volumes in use: end their users, others may write there', { volumes });
    },
    onEnded: () => {
      mounts.abortLeaseBound().catch((error: unknown) => {
        log.error('lease-bound mounts could not be aborted by the agent, the guardian does', { error });
      });
    },
  };
}

/** Calls that wait for one volume on this node; the next is refused. */
const VOLUME_WAITERS_MAX = 256;
const UNGUARDED_TIMEOUT_MS = 3_000;
