import {
  isVolumeName,
  maskedOptions,
  pluginVolumeName,
  quote,
  type CreateVolumeRequest,
  type StringMap,
  type VolumeView,
} from '@volplane/domain';
import { mayHaveMounts, pluginOf, type EngineContainer, type EngineVolume } from '../engine/engine-client.js';

export interface ImportQuestion {
  /** What the engine of the node has, of every driver. */
  readonly volumes: readonly EngineVolume[];
  readonly containers: readonly EngineContainer[];
  /** What the cluster has: its global volumes and the node's local ones. */
  readonly existing: readonly VolumeView[];
  readonly node: string;
  /** The engine's driver to adopt from: `local`, or the name of a plugin. */
  readonly from: string;
  /** The cluster's driver that shall have them: `local` for the engine's local driver, else the driver that hosts the plugin. */
  readonly into: { readonly driver: string; readonly scope: 'local' | 'global' };
  /** Put before each name. The engine keeps the old names for its own driver, so that a new one is often wanted. */
  readonly prefix?: string;
}

/** What would be done with one volume, and why. */
export interface ImportEntry {
  /** The name that the engine has for it. */
  readonly volume: string;
  /** The name that it gets. */
  readonly name: string;
  /** `adopt`: by `request`. `done`: the cluster has it already. `refuse`: not as things are; `reason` says what to do. */
  readonly action: 'adopt' | 'done' | 'refuse';
  readonly reason: string;
  readonly warnings: readonly string[];
  /** The create that adopts it. No data is read, moved or changed by it. */
  readonly request?: CreateVolumeRequest;
}

/**
 * How the volumes of one driver of an engine become volumes of the cluster, with their data where it is. Pure: the answer is shown
 * first, and then done create by create.
 *
 * A volume of a plugin is adopted under the name that the plugin has (option `adopt`). A folder of the engine's local driver is bound; one
 * that mounts something by options is made anew with the same options, which lead to the same data. A volume that a running container
 * has is refused: nobody could say who uses it.
 */
export function planImport(question: ImportQuestion): readonly ImportEntry[] {
  return question.volumes
    .filter(({ driver }) => pluginOf(driver) === question.from)
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map((volume) => planOne(volume, question));
}

function planOne(volume: EngineVolume, question: ImportQuestion): ImportEntry {
  const { into, node, prefix = '' } = question;
  const name = prefix + volume.name;
  const refuse = (reason: string): ImportEntry => ({ volume: volume.name, name, action: 'refuse', reason, warnings: [] });
  const options = question.from === 'local' ? localOptions(volume) : { ...volume.options, adopt: volume.name };
  if ('refusal' in options) return refuse(options.refusal);
  const request: CreateVolumeRequest = {
    name,
    driver: into.driver,
    options,
    labels: labelsOf(volume),
    ...(into.scope === 'local' && { node }),
  };
  const taken = adopterOf(volume, options, question);
  if (taken !== undefined) {
    const reason = taken.name === name ? 'the cluster has it already' : `the cluster has it as volume ${taken.name}`;
    return { volume: volume.name, name: taken.name, action: 'done', reason, warnings: [] };
  }
  const other = inReach(question).find((view) => view.name === name);
  if (other !== undefined) return refuse(`the cluster has another volume ${name}, of driver ${other.driver}; use a prefix`);
  if (!isVolumeName(name)) return refuse(`${quote(name)} cannot be a volume's name here; use a prefix, or create it by hand`);
  const users = usersOf(volume, question);
  if (users.running.length > 0) return refuse(`running containers use it: ${shortIds(users.running)}; stop them first`);
  return {
    volume: volume.name,
    name,
    action: 'adopt',
    reason: describe(volume, question),
    warnings: warningsFor(volume, question, users.stopped),
    request,
  };
}

/** The volumes that a name of the new ones must not meet. */
function inReach({ existing, into, node }: ImportQuestion): readonly VolumeView[] {
  return existing.filter(({ scope, node: owner }) => scope === into.scope && (scope === 'global' || owner === node));
}

/**
 * The volume of the cluster, under whatever name, that is this one: the plugin's own name of it says so, or options that lead to
 * the same data. Two volumes of the cluster over one volume would have two owners.
 */
function adopterOf(volume: EngineVolume, options: StringMap, question: ImportQuestion): VolumeView | undefined {
  const views = inReach(question).filter(({ driver }) => driver === question.into.driver);
  // Answers hide secrets, so they are left out of the comparison: the same source with another password is the same data.
  if (question.from === 'local') return views.find((view) => sameMap(maskedOptions(view.options), maskedOptions(options)));
  return views.find((view) => pluginVolumeName(view) === volume.name);
}

/** Options under which our local driver shows the same data, or why it cannot. */
function localOptions(volume: EngineVolume): StringMap | { readonly refusal: string } {
  const { size, ...mount } = volume.options;
  if (size !== undefined)
    return { refusal: `it has a size limit of the engine's (${size}) that cannot be taken over; copy it into a volume with a size` };
  if (Object.keys(mount).length > 0) return mount;
  if (!volume.mountpoint.startsWith('/')) return { refusal: 'the engine does not say where it is' };
  return { type: 'none', o: 'bind', device: volume.mountpoint };
}

function describe(volume: EngineVolume, { from }: ImportQuestion): string {
  if (from !== 'local') return `adopts the volume that plugin ${from} has under this name`;
  return Object.keys(volume.options).length > 0 ? 'mounts the same source by the same options' : `binds the folder ${volume.mountpoint}`;
}

function warningsFor(
  volume: EngineVolume,
  { from, into, prefix = '' }: ImportQuestion,
  stopped: readonly EngineContainer[],
): readonly string[] {
  const warnings: string[] = [];
  if (from === 'local' && Object.keys(volume.options).length === 0)
    warnings.push('the data stays in the folder of the engine: docker volume rm of the old name would delete it');
  if (into.scope === 'global') warnings.push('this engine does not know the containers of other hosts that use it; stop those first');
  if (prefix === '')
    warnings.push(
      `the engine keeps the name ${volume.name} for its driver ${from}; containers that shall use the adopted one need a prefix or a new engine`,
    );
  if (stopped.length > 0) warnings.push(`stopped containers still name the old one: ${shortIds(stopped)}; create them anew`);
  return warnings;
}

function usersOf(
  volume: EngineVolume,
  { containers }: ImportQuestion,
): { readonly running: readonly EngineContainer[]; readonly stopped: readonly EngineContainer[] } {
  const users = containers.filter(({ volumes }) => volumes.some(({ name, driver }) => name === volume.name && driver === volume.driver));
  return { running: users.filter(mayHaveMounts), stopped: users.filter((container) => !mayHaveMounts(container)) };
}

/** The engine's own marks mean nothing here. */
function labelsOf(volume: EngineVolume): StringMap {
  return Object.fromEntries(Object.entries(volume.labels).filter(([key]) => !key.startsWith('com.docker.')));
}

function sameMap(one: StringMap, other: StringMap): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}

function shortIds(containers: readonly EngineContainer[]): string {
  return containers.map(({ id }) => id.slice(0, 12)).join(', ');
}
