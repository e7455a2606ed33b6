import { SPEC_LEVEL_DEFAULT, type SpecLevel } from './spec-level.js';

/** How the door presents itself and what it does when a caller does not say. */
export interface CsiOptions {
  /** The plugin's name, at most 63 characters, a domain name whose first and last characters are letters. */
  readonly name: string;
  readonly vendorVersion: string;
  readonly specLevel: SpecLevel;
  /** The driver of volumes whose parameters name none. */
  readonly defaultDriver: string;
  /** Serve these drivers only; absent = all. */
  readonly drivers?: readonly string[];
  /** Node labels told as topology beside the node's name. */
  readonly topologyLabels: readonly string[];
  /** Size of volumes whose request names none, for drivers that keep sizes. */
  readonly defaultSizeBytes: number;
}

export const CSI_DEFAULTS: Omit<CsiOptions, 'vendorVersion' | 'defaultDriver'> = {
  name: 'csi.volplane.io',
  specLevel: SPEC_LEVEL_DEFAULT,
  topologyLabels: [],
  defaultSizeBytes: 2 ** 30,
};

/** The node label by which a node bounds how many volumes it takes; absent or 0 = no bound. */
export const MAX_VOLUMES_LABEL = 'volplane.csi/max-volumes';

export function maxVolumesOf(labels: Readonly<Record<string, string>>): number {
  const text = labels[MAX_VOLUMES_LABEL] ?? '0';
  return /^\d{1,6}$/.test(text) ? Number(text) : 0;
}

/** CSI asks for a domain name of at most 63 characters; csi-sanity also for letters at both ends. */
export function isPluginName(text: string): boolean {
  return /^[a-zA-Z]([a-zA-Z0-9.-]{0,61}[a-zA-Z])?$/.test(text);
}
