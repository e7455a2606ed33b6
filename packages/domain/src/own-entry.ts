/**
 * The entry of a map that came in as JSON. Only its own: every object has a `constructor` that nobody put there, and that is a name which
 * a node, a snapshot or a label may have.
 */
export function ownEntry<K extends string, T>(map: Readonly<Record<K, T>> | undefined, key: K): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}
