import type { DriverInfo } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import type { WireContentSource } from '../messages.js';
import { CsiError } from '../status.js';
import { findVolume } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';
import { findSnapshot } from './snapshot-lookup.js';

/** What a volume is made from. */
export interface ContentSource {
  readonly api: { readonly volume: string; readonly snapshot?: string };
  readonly sizeBytes?: number;
  /** Where a local source lives: its copy lives there too. */
  readonly node?: string;
}

/**
 * @returns undefined when the volume is made empty
 * @throws CsiError NOT_FOUND when the source is not there, INVALID_ARGUMENT when the driver cannot copy it
 */
export async function findSource(
  controller: ControllerContext,
  wire: WireContentSource | null,
  driver: DriverInfo,
  context: CallContext,
): Promise<ContentSource | undefined> {
  if (wire?.type === undefined) return undefined;
  const found = wire.type === 'snapshot' ? await fromSnapshot(controller, wire, context) : await fromVolume(controller, wire, context);
  if (!driver.capabilities.clone) throw new CsiError('INVALID_ARGUMENT', `driver ${driver.name} cannot make a volume from another`);
  if (found.driver !== driver.name)
    throw new CsiError('INVALID_ARGUMENT', `the source belongs to driver ${found.driver}, the volume to ${driver.name}`);
  return found.source;
}

interface FoundSource {
  readonly driver: string;
  readonly source: ContentSource;
}

async function fromSnapshot(controller: ControllerContext, wire: WireContentSource, context: CallContext): Promise<FoundSource> {
  const id = wire.snapshot?.snapshot_id ?? '';
  const view = await findSnapshot(controller.api, id, context);
  if (view === undefined) throw new CsiError('NOT_FOUND', `no snapshot has the id ${JSON.stringify(id)}`);
  if (!view.ready) throw new CsiError('UNAVAILABLE', `snapshot ${view.name} of volume ${view.volume} is still being made`);
  return {
    driver: view.driver,
    source: {
      api: { volume: view.volume, snapshot: view.name },
      sizeBytes: view.sizeBytes,
      ...(view.scope === 'local' ? { node: view.node } : {}),
    },
  };
}

async function fromVolume(controller: ControllerContext, wire: WireContentSource, context: CallContext): Promise<FoundSource> {
  const id = wire.volume?.volume_id ?? '';
  const view = await findVolume(controller.api, id, context);
  if (view === undefined) throw new CsiError('NOT_FOUND', `no volume has the id ${JSON.stringify(id)}`);
  return {
    driver: view.driver,
    source: {
      api: { volume: view.name },
      ...(view.sizeBytes === undefined ? {} : { sizeBytes: view.sizeBytes }),
      ...(view.scope === 'local' ? { node: view.node } : {}),
    },
  };
}
