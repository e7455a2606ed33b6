import { AppError, seededRandom, sleep, systemClock } from '@volplane/base';
import type { VolumeView } from '@volplane/domain';
import { bootMs } from '@volplane/host';
import type { VolplaneClient } from '@volplane/rpc';
import { callContext } from './fault-cluster.js';
import type { CallEvent, HistoryFile, VolumePlan } from './history.js';

/** What a mount that was answered gives its caller. */
export interface Mounted {
  readonly path: string;
  readonly epoch: number;
  readonly seq: number;
}

type Call = Omit<CallEvent, 'type' | 'fromMs' | 'untilMs' | 'outcome' | 'reason' | 'message'>;
type Answer<T> = { readonly outcome: 'ok'; readonly value: T } | { readonly outcome: 'refused' | 'unknown'; readonly error: AppError };

/** Calls through any manager, each attempt written into the history with its call, its answer and what it proved. */
export class Caller {
  readonly #clients: readonly VolplaneClient[];
  readonly #history: HistoryFile;
  readonly #random: ReturnType<typeof seededRandom>;
  readonly #signal: AbortSignal;
  readonly #halt: AbortSignal;

  constructor(parts: {
    readonly clients: readonly VolplaneClient[];
    readonly history: HistoryFile;
    readonly seed: number;
    /** Fires when no more is to be begun. */
    readonly signal: AbortSignal;
    /** Fires when the run is broken off: nothing is ended properly any more. */
    readonly halt: AbortSignal;
  }) {
    this.#clients = parts.clients;
    this.#history = parts.history;
    this.#random = seededRandom(parts.seed);
    this.#signal = parts.signal;
    this.#halt = parts.halt;
  }

  /** One attempt. */
  async create({ name, driver, accessMode, takeover }: VolumePlan): Promise<VolumeView | undefined> {
    const request = { name, driver, accessMode, takeover };
    const answer = await this.#attempt(
      { call: 'create', volume: name },
      (client) => client.createVolume(request, callContext()),
      ({ uid }) => ({ uid }),
    );
    return answer.outcome === 'ok' ? answer.value : undefined;
  }

  /** One attempt, for the volume with this uid alone. */
  async remove(volume: VolumeView): Promise<void> {
    const { name, uid } = volume;
    await this.#attempt(
      { call: 'remove', volume: name, uid },
      (client) => client.removeVolume({ name, uid }, callContext()),
      () => ({}),
    );
  }

  /**
   * The same call again while its outcome is unknown, and while another node holds the volume, for as long as the caller is patient.
   *
   * @param onHeld - told who stands in the way
   * @returns undefined: given up; the caller then has to unmount
   */
  async mount(
    wish: { readonly volume: VolumeView; readonly node: string; readonly mountId: string },
    patienceMs: number,
    onHeld: (error: AppError) => Promise<void>,
  ): Promise<Mounted | undefined> {
    const { volume, node, mountId } = wish;
    const untilMs = bootMs() + patienceMs;
    const request = { name: volume.name, node, mountId };
    do {
      const answer = await this.#attempt(
        { call: 'mount', volume: volume.name, node, mountId },
        (client) => client.mountVolume(request, callContext()),
        async ({ path, epoch, seq }) => ({ epoch, seq, ...(await this.#uidOf(volume.name, path)) }),
      );
      if (answer.outcome === 'ok') return answer.value;
      const { error } = answer;
      if (error.reason === 'VOLUME_NOT_FOUND' || error.reason === 'NODE_LACKS_DRIVER') return undefined;
      if (error.reason === 'VOLUME_HELD') await onHeld(error);
      await this.#pause(200);
    } while (bootMs() < untilMs && !this.#signal.aborted);
    return undefined;
  }

  /** Until it is answered, or the run is broken off. @throws Error after {@link UNMOUNT_MS_MAX}: everything works again by then */
  async unmount(volume: string, node: string, mountId: string): Promise<void> {
    const untilMs = bootMs() + UNMOUNT_MS_MAX;
    for (;;) {
      const answer = await this.#attempt(
        { call: 'unmount', volume, node, mountId },
        (client) => client.unmountVolume({ name: volume, node, mountId }, callContext()),
        () => ({}),
      );
      if (answer.outcome === 'ok' || answer.error.reason === 'VOLUME_NOT_FOUND') return;
      if (this.#halt.aborted) return;
      if (bootMs() > untilMs) throw new Error(`${mountId} of volume ${volume} on ${node} could not be unmounted`, { cause: answer.error });
      await this.#pause(300);
    }
  }

  anyClient(): VolplaneClient {
    const client = this.#clients[this.#random.int(this.#clients.length)];
    if (client === undefined) throw new Error('there is no manager');
    return client;
  }

  async #attempt<T>(
    call: Call,
    ask: (client: VolplaneClient) => Promise<T>,
    proof: (value: T) => Partial<Call> | Promise<Partial<Call>>,
  ): Promise<Answer<T>> {
    const fromMs = bootMs();
    try {
      const value = await ask(this.anyClient());
      const untilMs = bootMs();
      this.#history.add({ type: 'call', ...call, ...(await proof(value)), fromMs, untilMs, outcome: 'ok' });
      return { outcome: 'ok', value };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const outcome = isDefinite(call.call, error) ? 'refused' : 'unknown';
      this.#history.add({ type: 'call', ...call, fromMs, untilMs: bootMs(), outcome, reason: error.reason, message: error.message });
      return { outcome, error };
    }
  }

  /** The path of an image's mount ends in its uid. A folder's does not; its policy is manual, so who has mounted it still has that very one. */
  async #uidOf(name: string, path: string): Promise<{ readonly uid?: string }> {
    const uid = UID_AT_END.exec(path)?.[1];
    if (uid !== undefined) return { uid };
    try {
      return { uid: (await this.anyClient().getVolume({ name }, callContext())).uid };
    } catch (error) {
      if (error instanceof AppError) return {};
      throw error;
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(systemClock, ms / 2 + this.#random.int(ms)).catch(() => undefined);
  }
}

/** True when the refusal surely had no effect and never will. A remove only goes forward, whatever it was answered on its way. */
function isDefinite(call: Call['call'], error: AppError): boolean {
  if (call === 'remove') return REMOVE_REFUSALS.has(error.reason);
  return !['unavailable', 'deadline', 'cancelled', 'internal'].includes(error.kind);
}

const REMOVE_REFUSALS: ReadonlySet<string> = new Set(['VOLUME_ATTACHED', 'VOLUME_NOT_FOUND', 'VOLUME_CREATING', 'VOLUME_IN_USE']);
const UID_AT_END = /\/([0-9a-f]{32})$/;
const UNMOUNT_MS_MAX = 180_000;
