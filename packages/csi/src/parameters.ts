import { TAKEOVER_POLICIES, type StringMap, type TakeoverPolicy } from '@volplane/domain';
import { CsiError } from './status.js';

/** The parameters of a storage class, sorted out. */
export interface Parameters {
  /** Absent = the plugin's default driver. */
  readonly driver?: string;
  readonly takeover?: TakeoverPolicy;
  /** Node labels that an owner must carry, and the only topology that the volume is reachable from. */
  readonly topology: StringMap;
  readonly labels: StringMap;
  /** Everything else goes to the driver, which refuses what it does not know. */
  readonly options: StringMap;
}

/**
 * Keys: `driver`, `takeover`, `label/<key>`, `topology/<label>`; any other is an option of the driver. What Kubernetes'
 * provisioner adds about the claim (`csi.storage.k8s.io/pvc/name`, …) becomes labels.
 *
 * @throws CsiError INVALID_ARGUMENT
 */
export function parseParameters(parameters: StringMap): Parameters {
  const groups: Record<'topology' | 'labels' | 'options', Record<string, string>> = { topology: {}, labels: {}, options: {} };
  const { driver, takeover, ...rest } = parameters;
  for (const [key, value] of Object.entries(rest)) {
    if (key.startsWith(TOPOLOGY_PREFIX)) groups.topology[key.slice(TOPOLOGY_PREFIX.length)] = value;
    else if (key.startsWith(LABEL_PREFIX)) groups.labels[key.slice(LABEL_PREFIX.length)] = value;
    else if (key.startsWith(PROVISIONER_PREFIX)) groups.labels[key] = value;
    else groups.options[key] = value;
  }
  requireOwnLabels(groups.labels);
  return {
    ...groups,
    ...(driver === undefined ? {} : { driver }),
    ...(takeover === undefined ? {} : { takeover: parseTakeover(takeover) }),
  };
}

/** What ControllerModifyVolume and mutable_parameters can change. */
export interface Changes {
  readonly labels: StringMap;
  readonly takeover?: TakeoverPolicy;
}

/** Keys: `takeover` and `label/<key>`. @throws CsiError INVALID_ARGUMENT for any other, before anything is changed */
export function parseChanges(parameters: StringMap): Changes {
  const labels: Record<string, string> = {};
  const { takeover, ...rest } = parameters;
  for (const [key, value] of Object.entries(rest)) {
    if (!key.startsWith(LABEL_PREFIX)) {
      throw new CsiError('INVALID_ARGUMENT', `parameter ${key} cannot be changed; takeover and ${LABEL_PREFIX}<key> can`);
    }
    labels[key.slice(LABEL_PREFIX.length)] = value;
  }
  requireOwnLabels(labels);
  return { labels, ...(takeover === undefined ? {} : { takeover: parseTakeover(takeover) }) };
}

function parseTakeover(text: string): TakeoverPolicy {
  const policy = TAKEOVER_POLICIES.find((known) => known === text);
  if (policy === undefined) throw new CsiError('INVALID_ARGUMENT', `takeover is ${text}, not one of ${TAKEOVER_POLICIES.join(', ')}`);
  return policy;
}

function requireOwnLabels(labels: StringMap): void {
  for (const key of Object.keys(labels)) {
    if (key.startsWith('volplane.csi/')) throw new CsiError('INVALID_ARGUMENT', `label ${key} is written by the plugin itself`);
    if (key === '') throw new CsiError('INVALID_ARGUMENT', 'a label has no key');
  }
}

const LABEL_PREFIX = 'label/';
const TOPOLOGY_PREFIX = 'topology/';
const PROVISIONER_PREFIX = 'csi.storage.k8s.io/';
