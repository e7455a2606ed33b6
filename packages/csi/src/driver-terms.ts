import type { DriverInfo, StringMap, VolumeView } from '@volplane/domain';
import type { Capability } from './capability.js';
import { flagFault } from './mount-flags.js';
import { CsiError } from './status.js';

/**
 * What the wanted capabilities mean as options of the driver: block access and the file system type are decided when a
 * volume is made, so they are part of its options.
 *
 * @throws CsiError INVALID_ARGUMENT when the driver cannot
 */
export function optionsForCapabilities(driver: DriverInfo, capabilities: readonly Capability[], given: StringMap): StringMap {
  const access = new Set(capabilities.map((capability) => capability.access));
  if (access.size > 1) throw new CsiError('INVALID_ARGUMENT', 'one volume cannot be both a block device and mounted');
  const fsTypes = new Set(capabilities.map((capability) => capability.fsType).filter((type) => type !== ''));
  if (fsTypes.size > 1) throw new CsiError('INVALID_ARGUMENT', `one volume cannot have several file systems: ${[...fsTypes].join(', ')}`);
  for (const capability of capabilities) requireFlags(capability);
  const [fsType] = fsTypes;
  return {
    ...given,
    ...(access.has('block') ? blockOptions(driver) : {}),
    ...(fsType === undefined ? {} : fsOptions(driver, given, fsType)),
  };
}

/** Why the volume cannot be used so, in words; undefined = it can. The access mode is the caller's to check. */
export function capabilityFault(view: VolumeView, driver: DriverInfo | undefined, capability: Capability): string | undefined {
  if ((capability.access === 'block') !== isBlock(view)) {
    return isBlock(view) ? `volume ${view.name} is a block device and cannot be mounted` : `volume ${view.name} is not a block device`;
  }
  const fsType = view.options[FS_OPTION] ?? defaultFs(driver);
  if (capability.fsType !== '' && capability.fsType !== fsType) {
    return `volume ${view.name} holds ${fsType ?? 'no file system of its own'}, not ${capability.fsType}`;
  }
  return flagFault(capability.mountFlags);
}

export function isBlock(view: Pick<VolumeView, 'options'>): boolean {
  return view.options[ACCESS_OPTION] === BLOCK;
}

function requireFlags(capability: Capability): void {
  const fault = flagFault(capability.mountFlags);
  if (fault !== undefined) throw new CsiError('INVALID_ARGUMENT', fault);
}

function blockOptions(driver: DriverInfo): StringMap {
  if (!driver.capabilities.block) throw new CsiError('INVALID_ARGUMENT', `driver ${driver.name} has no block devices`);
  return { [ACCESS_OPTION]: BLOCK };
}

function fsOptions(driver: DriverInfo, given: StringMap, fsType: string): StringMap {
  if (driver.options[FS_OPTION] === undefined)
    throw new CsiError('INVALID_ARGUMENT', `driver ${driver.name} does not choose a file system, asked for ${fsType}`);
  const named = given[FS_OPTION];
  if (named !== undefined && named !== fsType)
    throw new CsiError('INVALID_ARGUMENT', `fs_type is ${fsType} and parameter ${FS_OPTION} is ${named}`);
  return { [FS_OPTION]: fsType };
}

/** Drivers that make file systems say their usual one first in the help of the option: `ext4 (default) or xfs`. */
function defaultFs(driver: DriverInfo | undefined): string | undefined {
  return /^[a-z0-9]+/.exec(driver?.options[FS_OPTION] ?? '')?.[0];
}

/** The option by which drivers that make file systems are told which. */
const FS_OPTION = 'fs';
/** The option by which drivers with block devices are told that the volume is handed out as one. */
const ACCESS_OPTION = 'access';
const BLOCK = 'block';
