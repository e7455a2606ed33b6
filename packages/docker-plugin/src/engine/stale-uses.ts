import { mayHaveMounts, pluginOf, type EngineContainer } from './engine-client.js';

/** The uses of one volume as the door has them. */
export interface VolumeUses {
  readonly volume: string;
  readonly members: readonly { readonly member: string; readonly ageMs: number }[];
}

/** Uses that no engine has any more. */
export interface StaleUses {
  readonly volume: string;
  readonly members: readonly string[];
}

/**
 * Which uses may end because no container of the host that could use the volume is left.
 *
 * The engine's API names the volumes of a container, not the ids of its mounts, so all uses of a volume stay while one container
 * that has it may run. That holds nothing longer: the volume is in use then, and when its last container ends, all of them go.
 * Young uses stay too: their container may still be on its way to `running`.
 *
 * @param drivers - the plugin names by which the engine knows the volumes of this door
 */
export function findStaleUses(
  held: readonly VolumeUses[],
  engine: { readonly containers: readonly EngineContainer[]; readonly drivers: readonly string[] },
  graceMs: number,
): readonly StaleUses[] {
  const used = new Set(
    engine.containers
      .filter(mayHaveMounts)
      .flatMap(({ volumes }) => volumes.filter(({ driver }) => engine.drivers.includes(pluginOf(driver))).map(({ name }) => name)),
  );
  return held
    .filter(({ volume, members }) => !used.has(volume) && members.every(({ ageMs }) => ageMs >= graceMs))
    .map(({ volume, members }) => ({ volume, members: members.map(({ member }) => member) }));
}
