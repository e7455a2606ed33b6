import { refuse, type Decision } from './decision.js';
import type { VolumeDocument } from './volume.js';

/** The refusal of a change that needs the volume ready and free of work; undefined = it is. */
export function refuseUnlessReady(document: VolumeDocument): Decision<never> | undefined {
  const about = { volume: document.name, uid: document.uid };
  if (document.phase === 'creating') return refuse('VOLUME_CREATING', `volume ${document.name} is still being created`, about);
  if (document.phase === 'removing') return refuse('VOLUME_REMOVING', removingText(document), about);
  const { operation } = document;
  if (operation === undefined) return undefined;
  return refuse('CONTENTION', `volume ${document.name} has the operation ${operation.kind} in flight since ${operation.since}`, about);
}

export function removingText(document: VolumeDocument): string {
  const cause = document.operation?.cause;
  return cause === undefined
    ? `volume ${document.name} is being removed`
    : `volume ${document.name} could not be created and is being rolled back: ${cause}`;
}

/** The document with no work in flight. */
export function withoutOperation(document: VolumeDocument): VolumeDocument {
  const free = { ...document };
  Reflect.deleteProperty(free, 'operation');
  return free;
}
