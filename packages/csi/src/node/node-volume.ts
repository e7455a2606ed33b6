import { isAbsolute, normalize } from 'node:path';
import type { VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { allowsMode, type Capability } from '../capability.js';
import { capabilityFault } from '../driver-terms.js';
import { PATH_BYTES_MAX, requireText } from '../field-codec.js';
import type { WireMap } from '../messages.js';
import { CsiError } from '../status.js';
import { findVolume } from '../volume-lookup.js';
import type { NodeContext } from './context.js';

/** A required path. Whether it is absolute is looked at later: an unknown volume is told first. */
export function requirePath(path: string, field: string): string {
  return requireText(path, field, PATH_BYTES_MAX);
}

/** @throws CsiError INVALID_ARGUMENT for paths that are not absolute and plain */
export function requireAbsolute(path: string, field: string): string {
  const plain = normalize(path).replace(/(.)\/$/, '$1');
  if (isAbsolute(path) && plain !== '/' && !path.split('/').includes('..')) return plain;
  throw new CsiError('INVALID_ARGUMENT', `${field} ${JSON.stringify(path)} is not an absolute path to a place of its own`);
}

/** As this node's agent sees the volume, without asking a manager where it need not. */
export async function findHere(node: NodeContext, id: string, context: CallContext): Promise<VolumeView | undefined> {
  return await findVolume(node.api, id, context, node.node.name);
}

/**
 * The same for ending a use, which works whatever is down: after a short wait for a manager the agent answers from its own
 * journal, where everything is that is in use here.
 */
export async function findInUse(node: NodeContext, id: string, context: CallContext): Promise<VolumeView | undefined> {
  return await findHere(node, id, { ...context, timeoutMs: Math.min(context.timeoutMs, MANAGER_WAIT_MS) });
}

/** @throws CsiError NOT_FOUND */
export async function getHere(node: NodeContext, id: string, context: CallContext): Promise<VolumeView> {
  const view = await findHere(node, id, context);
  if (view === undefined) throw new CsiError('NOT_FOUND', `no volume has the id ${JSON.stringify(id)}`);
  if (view.scope === 'local' && view.node !== node.node.name) {
    throw new CsiError('FAILED_PRECONDITION', `volume ${view.name} lives on node ${view.node} and cannot be used on ${node.node.name}`);
  }
  return view;
}

/** Addresses the volume at the agent, as used on its node. */
export function refHere(node: NodeContext, view: VolumeView): { readonly name: string; readonly node: string } {
  return { name: view.name, node: node.node.name };
}

/** @throws CsiError FAILED_PRECONDITION when the volume cannot be used so */
export async function requireCapability(node: NodeContext, view: VolumeView, capability: Capability, context: CallContext): Promise<void> {
  if (!allowsMode(view.accessMode, capability.mode)) {
    throw new CsiError('FAILED_PRECONDITION', `volume ${view.name} is ${view.accessMode}, which does not allow ${capability.mode}`);
  }
  const drivers = await node.catalog.list(context);
  const fault = capabilityFault(view, drivers.find((driver) => driver.info.name === view.driver)?.info, capability);
  if (fault !== undefined) throw new CsiError('FAILED_PRECONDITION', fault);
  parseGroup(capability.mountGroup);
}

/** The numeric id of volume_mount_group; undefined = none. @throws CsiError INVALID_ARGUMENT */
export function parseGroup(text: string): number | undefined {
  if (text === '') return undefined;
  const gid = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  // 2^32 - 1 stands for "no group" in chown(2).
  if (!(gid < 2 ** 32 - 1)) throw new CsiError('INVALID_ARGUMENT', `volume_mount_group ${JSON.stringify(text)} is not a group id`);
  return gid;
}

/**
 * The caller's own additions taken out: Kubernetes puts facts and tokens of the pod into volume_context, anew with every
 * call, and the provisioner's identity that we never returned.
 */
export function withoutCallerKeys(context: WireMap): WireMap {
  return Object.fromEntries(Object.entries(context).filter(([key]) => !CALLER_KEYS.some((prefix) => key.startsWith(prefix))));
}

const MANAGER_WAIT_MS = 3_000;
const CALLER_KEYS = ['csi.storage.k8s.io/', 'storage.kubernetes.io/'];
