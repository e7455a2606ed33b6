import { AppError } from '@volplane/base';

/** What a node's mirror says of one of its local volumes; never trusted for anything but showing. */
export interface MirroredVolume {
  readonly name: string;
  readonly uid: string;
  readonly driver: string;
  readonly createdAt: string;
}

/** The local volumes of a node as its mirror in the store has them. @throws AppError DOCUMENT_INVALID naming the key */
export function parseInventory(key: string, json: string): readonly MirroredVolume[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new AppError('DOCUMENT_INVALID', `the document at ${key} is not JSON; it was left alone`, { key }, error);
  }
  const volumes: unknown = isObject(value) ? value['volumes'] : undefined;
  if (Array.isArray(volumes) && volumes.every(isMirroredVolume)) return volumes;
  throw new AppError('DOCUMENT_INVALID', `the document at ${key} is no list of volumes; it was left alone`, { key });
}

function isMirroredVolume(value: unknown): value is MirroredVolume {
  return isObject(value) && FIELDS.every((field) => typeof value[field] === 'string');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

const FIELDS = ['name', 'uid', 'driver', 'createdAt'] as const;
