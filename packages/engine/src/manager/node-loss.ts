import { AppError, hasReason, sha256Hex, type Logger } from '@volplane/base';
import {
  decideDeclareLost,
  lossRisk,
  lostWord,
  ownEntry,
  sessionOf,
  type DeclareNodeLostRequest,
  type LostNode,
  type NodeIdentity,
  type NodeLostPlan,
  type NodeName,
  type VolumeName,
} from '@volplane/domain';
import type { CallContext } from '../api.js';
import { inParallel } from '../in-parallel.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { NodeRecords } from '../store/node-records.js';
import type { VolumeRecords } from '../store/volume-records.js';
import { mirroredVolumes } from './inventory.js';
import type { LostNodes } from './lost-nodes.js';
import type { NodeViews } from './node-view.js';
import { checkNote } from './note.js';

/**
 * Declaring a node lost: first what it would concern, then the operator's word about exactly that.
 *
 * The word is recorded on the node's document before its first effect; from then on the node cannot come back, and whatever of
 * the work is left when this manager dies is done by the sweeps.
 */
export class NodeLoss {
  readonly #records: VolumeRecords;
  readonly #nodeRecords: NodeRecords;
  readonly #lostNodes: LostNodes;
  readonly #cache: ClusterCache;
  readonly #views: NodeViews;
  readonly #log: Logger;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly nodeRecords: NodeRecords;
    readonly lostNodes: LostNodes;
    readonly cache: ClusterCache;
    readonly views: NodeViews;
    readonly log: Logger;
  }) {
    this.#records = parts.records;
    this.#nodeRecords = parts.nodeRecords;
    this.#lostNodes = parts.lostNodes;
    this.#cache = parts.cache;
    this.#views = parts.views;
    this.#log = parts.log;
  }

  /** @throws AppError NODE_NOT_FOUND, STORE_UNAVAILABLE when the records cannot be read as of now */
  async plan(node: NodeName): Promise<NodeLostPlan> {
    if (!(await this.#cache.barrier())) throw behind(node);
    return this.#plan(this.#machine(node));
  }

  /** @returns the plan as it was carried out; `done` when nothing names the node any more. @throws AppError NODE_ALIVE, PLAN_STALE */
  async declare(node: NodeName, request: DeclareNodeLostRequest, context: CallContext): Promise<NodeLostPlan> {
    const note = checkNote(request.note);
    const plan = await this.plan(node);
    const machine = this.#machine(node);
    // Declared already: the call is repeated because its first answer was lost, or work of it is left.
    if (plan.state !== 'lost') {
      if (sessionOf(this.#records.view(), machine) !== undefined) {
        throw new AppError('NODE_ALIVE', `node ${node} is in touch, so it cannot be declared lost: stop it first`, { node });
      }
      if (plan.planRevision !== request.planRevision) {
        const text = `the plan for node ${node} has changed since it was shown; look at the new one and confirm it`;
        throw new AppError('PLAN_STALE', text, { node, planRevision: plan.planRevision });
      }
      await this.#nodeRecords.change(node, (document, view) => decideDeclareLost(document, { ...machine, note }, view), context.signal);
      this.#log.warn('node declared lost', { node, nodeUid: machine.nodeUid, note, volumes: plan.volumes.length });
    }
    const done = await this.#settleAll(machine, context);
    return { ...plan, state: 'lost', done };
  }

  async #settleAll(machine: NodeIdentity, context: CallContext): Promise<boolean> {
    const word = lostWord(this.#records.view(), machine);
    if (word === undefined) throw behind(machine.node);
    const lost: LostNode = { ...machine, word };
    const left: VolumeName[] = [];
    const settle = async (name: VolumeName): Promise<void> => {
      try {
        if (!(await this.#lostNodes.settle(name, lost))) left.push(name);
      } catch (error) {
        if (!(error instanceof AppError) || hasReason(error, 'NODE_ALIVE')) throw error;
        left.push(name);
        this.#log.warn('lost node is left in a volume for the sweeps', { volume: name, node: lost.node, error });
      }
    };
    await inParallel([...this.#cache.volumes.naming(machine.nodeUid)].sort(), VOLUMES_AT_ONCE, settle, context.signal);
    context.signal.throwIfAborted();
    return left.length === 0 && this.#cache.volumes.naming(machine.nodeUid).size === 0;
  }

  #plan(machine: NodeIdentity): NodeLostPlan {
    const names = [...this.#cache.volumes.naming(machine.nodeUid)].sort();
    const documents = names.flatMap((name) => this.#cache.volumes.get(name)?.document ?? []);
    const risks = documents.map((document) => lossRisk(document, machine));
    const local = mirroredVolumes(this.#cache, machine.node).map(({ name, driver }) => {
      return { name, risk: `local volume of driver ${driver}: it lives on this node only`, attached: false, owned: true };
    });
    const state = this.#views.state(machine);
    // Which volume and which claim: a volume made anew, or claimed again, is another risk in the same words.
    const claims = documents.map((document) => [document.uid, ownEntry(document.attachments, machine.node)?.seq ?? 0, document.epoch]);
    const basis = JSON.stringify([machine.nodeUid, state === 'lost', this.#cache.sessions.has(machine.node), risks, claims, local]);
    const planRevision = sha256Hex(basis).slice(0, 32);
    return { ...machine, state, planRevision, volumes: [...risks, ...local], done: state === 'lost' && names.length === 0 };
  }

  #machine(node: NodeName): NodeIdentity {
    return { node, nodeUid: this.#views.document(node).uid };
  }
}

function behind(node: NodeName): AppError {
  return new AppError('STORE_UNAVAILABLE', `what concerns node ${node} cannot be read as of now: the watch is behind; repeat the call`, {
    node,
  });
}

/** Enough to fill group commits, few enough to leave room for callers. */
const VOLUMES_AT_ONCE = 256;
