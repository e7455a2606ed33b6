import { AppError, backoffMs, hasReason, isUnknownOutcome, sleep, withTimeout, type Clock, type Logger, type Random } from '@volplane/base';
import { maskedOptions, quote, type DriverName, type NodeName, type Scope, type VolumeFilter, type VolumeView } from '@volplane/domain';
import type { CallContext, VolumesApi } from '@volplane/engine';
import { parseCreateOptions } from './create-options.js';
import type { Reply } from './plugin-protocol.js';
import type { MountUses } from './mount-uses.js';
import type { Method, PluginAnswer, PluginRequest, PluginVolume } from './protocol.js';

/** @see Reply */
export interface VolumeReply extends Reply {
  readonly answer: PluginAnswer;
}

/** What the door needs of the agent's API. */
export type DoorApi = Pick<
  VolumesApi,
  'createVolume' | 'getVolume' | 'listVolumes' | 'removeVolume' | 'mountVolume' | 'unmountVolume' | 'getPath'
>;

export interface VolumeCallsOptions {
  readonly api: DoorApi;
  readonly node: NodeName;
  readonly driver: DriverName;
  readonly scope: Scope;
  readonly uses: MountUses;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * The calls of one plugin socket, that is of one driver, put to the API of the node's agent.
 *
 * A volume of another driver or scope is not reached through this socket, even under the same name. Whatever cannot be told is an error;
 * only a positive "not found" of the API says that a volume does not exist, and a volume that is in use here is answered
 * from memory while nobody else can be asked: it cannot have been removed.
 */
export class VolumeCalls {
  readonly #options: VolumeCallsOptions;
  /** Views as last seen, to tell that a name is of this driver and to answer for volumes in use during an outage. */
  readonly #known = new Map<string, VolumeView>();
  /** Take-outs under way, by volume and member. */
  readonly #takeOuts = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: VolumeCallsOptions) {
    this.#options = options;
  }

  async call(method: Method, request: PluginRequest, context: CallContext): Promise<VolumeReply> {
    switch (method) {
      case 'activate':
        return { answer: { Implements: ['VolumeDriver'], Volplane: true } };
      case 'capabilities':
        return { answer: { Capabilities: { Scope: this.#options.scope } } };
      case 'create':
        return await this.#create(request, context);
      case 'remove':
        return await this.#remove(request, context);
      case 'mount':
        return await this.#mount(request, context);
      case 'unmount':
        return await this.#unmount(request, context);
      case 'path':
        return await this.#path(request, context);
      case 'get':
        return { answer: { Volume: await this.#get(request, context) } };
      case 'list':
        return { answer: { Volumes: await this.#list(context) } };
    }
  }

  /** Learns the uses that this node has of the driver's volumes since before this process. @throws AppError while nobody can be asked */
  async learnHeld(context: CallContext): Promise<void> {
    const views = await this.#pages({ dangling: false }, context);
    for (const view of views) if ((view.mountIds ?? []).length > 0 && !this.#known.has(view.name)) this.#remember(view);
  }

  /** Where the volume is mounted on this node. */
  async findPath(name: string, context: CallContext): Promise<string | undefined> {
    return (await this.#options.api.getPath(this.#ref(name), context)).path;
  }

  /** Takes uses out again that nobody has; repeated a few times, then left to the next look. */
  endUses(name: string, members: readonly string[]): void {
    for (const member of members) this.#takeOut(name, member, 'no container uses the volume');
  }

  /** Ends take-outs that are still being repeated; waits until none runs. */
  async close(): Promise<void> {
    this.#stop.abort(new AppError('SHUTTING_DOWN', `the plugin for driver ${this.#options.driver} is stopping`));
    await Promise.all(this.#takeOuts.values());
  }

  async #create({ name, options }: PluginRequest, context: CallContext): Promise<VolumeReply> {
    const { api, driver, node, scope } = this.#options;
    const view = await api.createVolume({ name, driver, ...parseCreateOptions(options), ...(scope === 'local' && { node }) }, context);
    this.#remember(view);
    return { answer: {} };
  }

  async #remove({ name }: PluginRequest, context: CallContext): Promise<VolumeReply> {
    try {
      const { uid } = await this.#find(name, context);
      await this.#options.api.removeVolume({ ...this.#ref(name), uid }, context);
    } catch (error) {
      if (!hasReason(error, 'VOLUME_NOT_FOUND')) throw error;
    }
    this.#known.delete(name);
    return { answer: {} };
  }

  async #mount({ name, id }: PluginRequest, context: CallContext): Promise<VolumeReply> {
    const { api, uses } = this.#options;
    if (!this.#known.has(name)) await this.#find(name, context);
    const mountId = uses.add(name, id);
    try {
      const { path } = await api.mountVolume({ ...this.#ref(name), mountId }, context);
      return {
        answer: { Mountpoint: path },
        undelivered: () => {
          this.#takeOut(name, mountId, 'the caller was gone before its mount was answered');
        },
      };
    } catch (error) {
      if (isUnknownOutcome(error) || !(error instanceof AppError)) this.#takeOut(name, mountId, 'the outcome of the mount is unknown');
      else uses.drop(name, mountId);
      throw error;
    }
  }

  async #unmount({ name, id }: PluginRequest, context: CallContext): Promise<VolumeReply> {
    const { api, uses } = this.#options;
    if (!this.#known.has(name)) await this.#learnUses(name, context);
    const mountId = uses.findEnding(name, id);
    if (mountId === undefined) return { answer: {} };
    try {
      // An unmount goes on without its caller: nobody else would end this use.
      await api.unmountVolume({ ...this.#ref(name), mountId }, { ...context, signal: this.#stop.signal });
    } catch (error) {
      if (isUnknownOutcome(error)) this.#takeOut(name, mountId, 'the outcome of the unmount is unknown');
      // A volume that does not exist is mounted nowhere.
      if (!hasReason(error, 'VOLUME_NOT_FOUND')) throw error;
    }
    uses.drop(name, mountId);
    return {
      answer: {},
      undelivered: () => {
        uses.expectRepeat(name, id);
      },
    };
  }

  async #path({ name }: PluginRequest, context: CallContext): Promise<VolumeReply> {
    if (!this.#known.has(name)) await this.#find(name, context);
    const { path = '' } = await this.#options.api.getPath(this.#ref(name), context);
    return { answer: { Mountpoint: path } };
  }

  async #get({ name }: PluginRequest, context: CallContext): Promise<PluginVolume> {
    try {
      const view = await this.#find(name, context);
      if (view.phase === 'ready') return toPluginVolume(view);
      const reason = view.phase === 'creating' ? 'VOLUME_CREATING' : 'VOLUME_REMOVING';
      throw new AppError(
        reason,
        `volume ${quote(name)} is ${view.phase === 'creating' ? 'still being created' : 'being removed'} by node ${view.node}`,
        { volume: name },
      );
    } catch (error) {
      const known = this.#known.get(name);
      if (known === undefined || !isOutage(error) || !this.#options.uses.holds(name)) throw error;
      this.#options.log.debug('answered for a volume in use from memory', { volume: name, error });
      return toPluginVolume(known, 'in use on this node; the rest is as last seen, because the cluster cannot be asked now');
    }
  }

  async #list(context: CallContext): Promise<readonly PluginVolume[]> {
    return (await this.#pages({}, context)).filter(({ phase }) => phase === 'ready').map(toListed);
  }

  /** Every volume of this socket's driver that passes the filter. */
  async #pages(filter: VolumeFilter, context: CallContext): Promise<readonly VolumeView[]> {
    const { api, driver, node, scope } = this.#options;
    const own = { ...filter, drivers: [driver], scope, ...(scope === 'local' && { node }) };
    const found: VolumeView[] = [];
    let pageToken: string | undefined;
    for (let page = 0; page < LIST_PAGES_MAX; page += 1) {
      // One page after the other: each names the next.
      const { volumes, nextPageToken } = await api.listVolumes(
        { filter: own, pageSize: LIST_PAGE_SIZE, ...(pageToken !== undefined && { pageToken }) },
        context,
      );
      found.push(...volumes.filter((view) => view.driver === driver && view.scope === scope));
      if (nextPageToken === undefined) return found;
      pageToken = nextPageToken;
    }
    throw new AppError(
      'TOO_LARGE',
      `driver ${driver} has more than ${String(LIST_PAGES_MAX * LIST_PAGE_SIZE)} volumes, too many for one list; use volctl list`,
    );
  }

  /** The volume of this name, if it is of this socket's driver. @throws AppError VOLUME_NOT_FOUND as a fact, VOLUME_CONFLICT */
  async #find(name: string, context: CallContext): Promise<VolumeView> {
    const { api, driver, scope } = this.#options;
    const view = await api.getVolume(this.#ref(name), context).catch((error: unknown) => {
      if (hasReason(error, 'VOLUME_NOT_FOUND')) this.#known.delete(name);
      throw error;
    });
    if (view.driver !== driver || view.scope !== scope) {
      this.#known.delete(name);
      const where = view.scope === 'local' ? `a local volume of node ${view.node}` : 'a global volume';
      throw new AppError(
        'VOLUME_CONFLICT',
        `volume ${quote(name)} is ${where} with driver ${view.driver}; this plugin serves the ${scope} driver ${driver}`,
        { volume: name, driver: view.driver },
      );
    }
    this.#remember(view);
    return view;
  }

  /** After a restart the uses of a volume are learnt before the first Unmount. That nobody can be asked must not hold up an unmount. */
  async #learnUses(name: string, context: CallContext): Promise<void> {
    try {
      await this.#find(name, context);
    } catch (error) {
      this.#options.log.debug('unmounts without knowing the uses of the volume', { volume: name, error });
    }
  }

  #ref(name: string): { name: string; node: string; scope: Scope } {
    return { name, node: this.#options.node, scope: this.#options.scope };
  }

  #remember(view: VolumeView): void {
    const { uses } = this.#options;
    // Only at first sight: from then on every use passes through here, and a view that was read earlier may be late.
    if (!this.#known.delete(view.name)) uses.learn(view.name, view.mountIds ?? []);
    this.#known.set(view.name, view);
    for (const name of this.#known.keys()) {
      if (this.#known.size <= KNOWN_MAX) break;
      if (!uses.holds(name)) this.#known.delete(name);
    }
  }

  /** Takes a use out again that nobody has; repeated a few times, then left to the reconciler. */
  #takeOut(name: string, mountId: string, why: string): void {
    const { log, uses } = this.#options;
    const key = `${name}/${mountId}`;
    if (this.#takeOuts.has(key)) return;
    const work = this.#takeOutNow(name, mountId)
      .then(() => {
        uses.drop(name, mountId);
        log.info('mount id taken out again', { volume: name, mountId, why });
      })
      .catch((error: unknown) => {
        log.warn('mount id stays although nobody uses it', { volume: name, mountId, why, error });
      })
      .finally(() => {
        this.#takeOuts.delete(key);
      });
    this.#takeOuts.set(key, work);
  }

  async #takeOutNow(name: string, mountId: string): Promise<void> {
    const { api, clock, random } = this.#options;
    const { signal } = this.#stop;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const call = api.unmountVolume({ ...this.#ref(name), mountId }, { signal, timeoutMs: TAKE_OUT_TIMEOUT_MS });
        const onTimeout = (): Error =>
          new AppError('DEADLINE_EXCEEDED', `unmount of volume ${quote(name)} was not answered`, { volume: name });
        await withTimeout(clock, call, { timeoutMs: TAKE_OUT_TIMEOUT_MS, onTimeout, signal });
        return;
      } catch (error) {
        if (hasReason(error, 'VOLUME_NOT_FOUND')) return;
        if (signal.aborted || attempt === TAKE_OUT_ATTEMPTS_MAX) throw error;
        // A pause between tries is what this loop is for.
        await sleep(clock, backoffMs(random, attempt, TAKE_OUT_BACKOFF), signal);
      }
    }
  }
}

/** Names kept with their last view; an engine with more volumes than this asks the API once more for some of them. */
const KNOWN_MAX = 10_000;

const LIST_PAGE_SIZE = 1_000;
const LIST_PAGES_MAX = 100;

const TAKE_OUT_ATTEMPTS_MAX = 6;
const TAKE_OUT_TIMEOUT_MS = 50_000;
const TAKE_OUT_BACKOFF = { firstMs: 500, maxMs: 30_000 };

/** True when the error says nothing about the volume, only that nobody could be asked. */
function isOutage(error: unknown): boolean {
  return !(error instanceof AppError) || error.kind === 'unavailable' || error.kind === 'deadline' || error.kind === 'exhausted';
}

function toListed(view: VolumeView): PluginVolume {
  return { Name: view.name, ...(view.path !== undefined && { Mountpoint: view.path }) };
}

/** Control-plane facts only: a driver's own status costs I/O, and the engine asks Get before nearly everything. */
function toPluginVolume(view: VolumeView, note?: string): PluginVolume {
  const { attachments, mountIds = [] } = view;
  return {
    ...toListed(view),
    // An empty or malformed time makes an engine refuse the whole answer.
    ...(!Number.isNaN(Date.parse(view.createdAt)) && { CreatedAt: view.createdAt }),
    Status: {
      uid: view.uid,
      driver: view.driver,
      scope: view.scope,
      owner: view.node,
      epoch: view.epoch,
      accessMode: view.accessMode,
      takeover: view.takeover,
      options: maskedOptions(view.options),
      labels: view.labels,
      attachments: attachments.map(({ node, mode, epoch, since }) => ({ node, mode, epoch, since })),
      mountIds,
      ...(view.sizeBytes !== undefined && { sizeBytes: view.sizeBytes }),
      ...(note !== undefined && { note }),
    },
  };
}
