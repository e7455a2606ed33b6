import type { StringMap } from './volume.js';

/**
 * The name under which a volume plugin of somebody else's knows a volume of the cluster: the one it had when it was adopted, else
 * `NAME.UID12`, so that a late remove of an old volume cannot reach a new one of the same name.
 */
export function pluginVolumeName({
  name,
  uid,
  options,
}: {
  readonly name: string;
  readonly uid: string;
  readonly options: StringMap;
}): string {
  return options['adopt'] ?? `${name}.${uid.slice(-UID_CHARACTERS)}`;
}

/** Enough of the uid that no two volumes of one name share it, short enough for back ends with bounds on names. */
const UID_CHARACTERS = 12;
