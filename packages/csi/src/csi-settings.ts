import { integer, list, nonEmpty, oneOf, text, type Settings } from '@volplane/base';
import { CSI_DEFAULTS, isPluginName, type CsiOptions } from './options.js';
import { SPEC_LEVELS } from './spec-level.js';

/** The settings of the CSI door, the same for managers and agents: both are parts of one plugin. */
export const CSI_SETTINGS = {
  csi: {
    help: 'CSI endpoint to serve, unix:///PATH; default: the variable CSI_ENDPOINT that orchestrators set; empty = no CSI door.',
    fallback: '',
    parse: text,
  },
  csiName: {
    help: 'Name of the CSI plugin, a domain name; also the prefix of its topology keys.',
    fallback: CSI_DEFAULTS.name,
    parse: pluginName,
  },
  csiSpec: {
    help: 'Newest CSI release whose capabilities are told to callers.',
    fallback: CSI_DEFAULTS.specLevel,
    parse: oneOf(...SPEC_LEVELS),
  },
  csiDriver: { help: 'Driver of volumes whose CSI parameters name none.', fallback: 'local', parse: nonEmpty },
  csiDrivers: { help: 'Drivers that are served through CSI, separated by commas; empty = all.', fallback: '', parse: list },
  csiTopology: {
    help: 'Node labels that are told as CSI topology beside the node’s name, separated by commas.',
    fallback: '',
    parse: list,
  },
  csiSocketMode: { help: 'Who may connect: permissions of the CSI socket, octal.', fallback: '600', parse: octal },
  csiDefaultSize: {
    help: 'Size in bytes of volumes for which CSI callers name none, for drivers that keep sizes.',
    fallback: String(CSI_DEFAULTS.defaultSizeBytes),
    parse: integer(1, Number.MAX_SAFE_INTEGER),
  },
} as const;

export type CsiSettings = Settings<typeof CSI_SETTINGS>;

export function csiOptionsFrom(settings: CsiSettings, vendorVersion: string): CsiOptions {
  return {
    name: settings.csiName,
    vendorVersion,
    specLevel: settings.csiSpec,
    defaultDriver: settings.csiDriver,
    ...(settings.csiDrivers.length === 0 ? {} : { drivers: settings.csiDrivers }),
    topologyLabels: settings.csiTopology,
    defaultSizeBytes: settings.csiDefaultSize,
  };
}

function pluginName(value: string): string {
  if (!isPluginName(value)) throw new Error('is not a plugin name: at most 63 of [a-zA-Z0-9.-], letters at both ends');
  return value;
}

function octal(value: string): number {
  if (!/^0?[0-7]{3}$/.test(value)) throw new Error('is not a mode of three octal digits');
  return Number.parseInt(value, 8);
}
