import {
  isNodeName,
  isNodeUid,
  isVolumeName,
  type DeclareNodeLostRequest,
  type DrainView,
  type NodeEvent,
  type NodeLostPlan,
  type NodePage,
  type NodeView,
} from '@volplane/domain';
import type {
  DeclareNodeLostRequest as WireDeclareNodeLost,
  DeclareNodeLostRequestInput,
} from '../generated/volplane/v1/DeclareNodeLostRequest.js';
import type { DrainNodeResponse, DrainNodeResponseInput } from '../generated/volplane/v1/DrainNodeResponse.js';
import type { ListNodesResponse, ListNodesResponseInput } from '../generated/volplane/v1/ListNodesResponse.js';
import type { Node, NodeInput } from '../generated/volplane/v1/Node.js';
import type { NodeLostPlan as WirePlan, NodeLostPlanInput } from '../generated/volplane/v1/NodeLostPlan.js';
import type { WatchNodesResponse, WatchNodesResponseInput } from '../generated/volplane/v1/WatchNodesResponse.js';
import { driverInfoFromWire, driverInfoToWire } from './driver.js';
import { nodeStates, scopes } from './enums.js';
import { mapFromWire, oneOf, required, textFromWire, uint32ToWire, type Writable } from './scalars.js';

function nodeToWire(node: NodeView): NodeInput {
  const message: NodeInput = {
    name: node.name,
    uid: node.uid,
    state: nodeStates.toWire(node.state),
    drivers: node.drivers.map(driverInfoToWire),
    labels: node.labels,
    version: node.version,
    registeredAt: node.registeredAt,
    cordoned: node.cordoned,
    attachedVolumes: uint32ToWire(node.attachedVolumes, 'node.attached_volumes'),
    ownedVolumes: uint32ToWire(node.ownedVolumes, 'node.owned_volumes'),
  };
  if (node.sessionSince !== undefined) message.sessionSince = node.sessionSince;
  if (node.goneSince !== undefined) message.goneSince = node.goneSince;
  return message;
}

/** @throws AppError INVALID_ARGUMENT or TOO_LARGE naming the field */
function nodeFromWire(message: Node): NodeView {
  const node: Writable<NodeView> = {
    name: textFromWire(message.name, isNodeName, 'node.name'),
    uid: textFromWire(message.uid, isNodeUid, 'node.uid'),
    state: nodeStates.requiredFromWire(message.state, 'node.state'),
    drivers: message.drivers.map(driverInfoFromWire),
    labels: mapFromWire(message.labels, 'node.labels'),
    version: message.version,
    registeredAt: message.registeredAt,
    cordoned: message.cordoned,
    attachedVolumes: message.attachedVolumes,
    ownedVolumes: message.ownedVolumes,
  };
  if (message.sessionSince !== undefined) node.sessionSince = message.sessionSince;
  if (message.goneSince !== undefined) node.goneSince = message.goneSince;
  return node;
}

/** For all requests that name a node and nothing else. */
export function nodeNameToWire(request: { readonly name: string }): { name: string } {
  return { name: request.name };
}

export function nodeNameFromWire(message: { readonly name: string }): { readonly name: string } {
  return { name: message.name };
}

/** For all responses that carry one node and nothing else. */
export function nodeResponseToWire(node: NodeView): { node: NodeInput } {
  return { node: nodeToWire(node) };
}

export function nodeResponseFromWire(message: { readonly node: Node | null }): NodeView {
  return nodeFromWire(required(message.node, 'node'));
}

export function nodePageToWire(page: NodePage): ListNodesResponseInput {
  const message: ListNodesResponseInput = { nodes: page.nodes.map(nodeToWire) };
  if (page.nextPageToken !== undefined) message.nextPageToken = page.nextPageToken;
  return message;
}

export function nodePageFromWire(message: ListNodesResponse): NodePage {
  const nodes = message.nodes.map(nodeFromWire);
  return message.nextPageToken === undefined ? { nodes } : { nodes, nextPageToken: message.nextPageToken };
}

export function drainToWire(drain: DrainView): DrainNodeResponseInput {
  return {
    node: nodeToWire(drain.node),
    moved: [...drain.moved],
    remaining: drain.remaining.map(({ name, scope, reason }) => ({ name, scope: scopes.toWire(scope), reason })),
  };
}

export function drainFromWire(message: DrainNodeResponse): DrainView {
  return {
    node: nodeFromWire(required(message.node, 'node')),
    moved: message.moved.map((name) => textFromWire(name, isVolumeName, 'moved')),
    remaining: message.remaining.map(({ name, scope, reason }) => ({
      name,
      scope: scopes.requiredFromWire(scope, 'remaining.scope'),
      reason,
    })),
  };
}

export function declareNodeLostToWire(request: DeclareNodeLostRequest): DeclareNodeLostRequestInput {
  return request;
}

export function declareNodeLostFromWire(message: WireDeclareNodeLost): DeclareNodeLostRequest {
  return { name: message.name, planRevision: message.planRevision, note: message.note };
}

/** For the two responses that carry a plan. */
export function planResponseToWire(plan: NodeLostPlan): { plan: NodeLostPlanInput } {
  return { plan: { ...plan, state: nodeStates.toWire(plan.state), volumes: [...plan.volumes] } };
}

export function planResponseFromWire(message: { readonly plan: WirePlan | null }): NodeLostPlan {
  const plan = required(message.plan, 'plan');
  return {
    node: textFromWire(plan.node, isNodeName, 'plan.node'),
    nodeUid: textFromWire(plan.nodeUid, isNodeUid, 'plan.node_uid'),
    state: nodeStates.requiredFromWire(plan.state, 'plan.state'),
    planRevision: plan.planRevision,
    volumes: plan.volumes.map(({ name, risk, attached, owned }) => ({ name, risk, attached, owned })),
    done: plan.done,
  };
}

export function nodeEventToWire(event: NodeEvent): WatchNodesResponseInput {
  switch (event.type) {
    case 'present':
      return { present: nodeToWire(event.node) };
    case 'changed':
      return { changed: nodeToWire(event.node) };
    case 'synced':
      return { synced: {} };
  }
}

export function nodeEventFromWire(message: WatchNodesResponse): NodeEvent {
  const type = oneOf(message, ['present', 'changed', 'synced'], 'event');
  if (type === 'synced') return { type };
  return { type, node: nodeFromWire(required(message[type], type)) };
}
