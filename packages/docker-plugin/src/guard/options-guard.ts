import { AppError, hasReason, type Logger } from '@volplane/base';
import { maskedOption, ownEntry, quote, type NodeName, type StringMap, type VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { parseCreateOptions } from '../create-options.js';
import type { Reply } from '../plugin-protocol.js';
import { errorLine } from '../plugin-answer.js';
import type { DoorApi } from '../volume-calls.js';
import type { GuardMethod, GuardRequest, VolumeWish } from './guard-request.js';

export interface OptionsGuardOptions {
  readonly api: Pick<DoorApi, 'getVolume'>;
  readonly node: NodeName;
  readonly plugins: readonly { readonly socketName: string; readonly driver: string; readonly scope: 'local' | 'global' }[];
  readonly log: Logger;
}

/**
 * Refuses what an engine would accept in silence: a create of a volume that exists, with other options (moby#36167).
 *
 * An engine that finds a volume by Get never sends the options of a create to a plugin. As an authorization plugin the guard sees the
 * request itself. It refuses only on a fact: whatever cannot be told is let through, because every request to the engine waits here.
 */
export class OptionsGuard {
  readonly #options: OptionsGuardOptions;

  constructor(options: OptionsGuardOptions) {
    this.#options = options;
  }

  async call(method: GuardMethod, { wishes }: GuardRequest, context: CallContext): Promise<Reply> {
    if (method === 'activate') return { answer: { Implements: ['authz'], Volplane: true } };
    for (const wish of wishes) {
      // One after the other: a request names a few volumes.
      const refusal = await this.#findRefusal(wish, context);
      if (refusal !== undefined) return { answer: { Allow: false, Msg: refusal } };
    }
    return { answer: { Allow: true } };
  }

  async #findRefusal(wish: VolumeWish, context: CallContext): Promise<string | undefined> {
    const { api, log, node, plugins } = this.#options;
    const plugin = plugins.find(({ socketName }) => socketName === wish.plugin);
    if (plugin === undefined) return undefined;
    let view: VolumeView;
    try {
      view = await api.getVolume({ name: wish.volume, node, scope: plugin.scope }, context);
    } catch (error) {
      if (!hasReason(error, 'VOLUME_NOT_FOUND')) log.debug('options could not be compared', { volume: wish.volume, error });
      return undefined;
    }
    // Of another driver: the plugin's own Create says so.
    if (view.driver !== plugin.driver) return undefined;
    try {
      const difference = findDifference(wish.options, view);
      if (difference.length === 0) return undefined;
      const text = `volume ${quote(wish.volume)} exists with other options: ${difference.join('; ')}`;
      throw new AppError('VOLUME_CONFLICT', text, { volume: wish.volume, difference: difference.join('; ') });
    } catch (error) {
      return errorLine(error);
    }
  }
}

/** What of the options of a create is not so at the volume, one text each. Labels and policy can change, so they are no difference. @throws AppError INVALID_OPTION */
export function findDifference(raw: StringMap, view: VolumeView): readonly string[] {
  const { options = {}, accessMode, sizeBytes } = parseCreateOptions(raw);
  const keys = [...new Set([...Object.keys(options), ...Object.keys(view.options)])].sort();
  const difference = keys
    .map((key) => ({ key, present: ownEntry(view.options, key), asked: ownEntry(options, key) }))
    .filter(({ present, asked }) => present !== asked)
    .map(({ key, present, asked }) => `${key} is ${shown(key, present)}, the request says ${shown(key, asked)}`);
  if (accessMode !== undefined && accessMode !== view.accessMode)
    difference.push(`access-mode is ${view.accessMode}, the request says ${accessMode}`);
  if (sizeBytes !== undefined && sizeBytes !== view.sizeBytes)
    difference.push(
      `size is ${view.sizeBytes === undefined ? 'not limited' : String(view.sizeBytes)}, the request says ${String(sizeBytes)}`,
    );
  return difference;
}

/** Secrets are compared and never shown: an engine logs what is refused. */
function shown(key: string, value: string | undefined): string {
  return value === undefined ? 'nothing' : quote(maskedOption(key, value));
}
