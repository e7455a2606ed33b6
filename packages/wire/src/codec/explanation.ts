import {
  isNodeName,
  isNodeUid,
  type CandidateExplanation,
  type Evidence,
  type HolderExplanation,
  type VolumeExplanation,
} from '@volplane/domain';
import type { Candidate, CandidateInput } from '../generated/volplane/v1/Candidate.js';
import type { Evidence as WireEvidence, EvidenceInput } from '../generated/volplane/v1/Evidence.js';
import type { ExplainVolumeResponse, ExplainVolumeResponseInput } from '../generated/volplane/v1/ExplainVolumeResponse.js';
import type { Holder, HolderInput } from '../generated/volplane/v1/Holder.js';
import { evidenceKinds, nodeStates } from './enums.js';
import { required, textFromWire, uint64FromWire, uint64ToWire, type Writable } from './scalars.js';
import { attachmentFromWire, attachmentToWire, mountIdsFromWire, volumeFromWire, volumeToWire } from './volume.js';

export function explanationToWire(explanation: VolumeExplanation): ExplainVolumeResponseInput {
  const message: ExplainVolumeResponseInput = {
    volume: volumeToWire(explanation.volume),
    summary: [...explanation.summary],
    holders: explanation.holders.map(holderToWire),
    evidence: explanation.evidence.map(evidenceToWire),
    candidates: explanation.candidates.map(candidateToWire),
    history: explanation.history.map(({ revision, summary }) => ({ revision: uint64ToWire(revision, 'history.revision'), summary })),
  };
  if (explanation.waitsFor !== undefined) message.waitsFor = explanation.waitsFor;
  if (explanation.refusal !== undefined) message.refusal = explanation.refusal;
  return message;
}

/** @throws AppError INVALID_ARGUMENT or TOO_LARGE naming the field */
export function explanationFromWire(message: ExplainVolumeResponse): VolumeExplanation {
  const explanation: Writable<VolumeExplanation> = {
    volume: volumeFromWire(required(message.volume, 'volume')),
    summary: message.summary,
    holders: message.holders.map(holderFromWire),
    evidence: message.evidence.map(evidenceFromWire),
    candidates: message.candidates.map(candidateFromWire),
    history: message.history.map(({ revision, summary }) => ({ revision: uint64FromWire(revision, 'history.revision'), summary })),
  };
  if (message.waitsFor !== undefined) explanation.waitsFor = message.waitsFor;
  if (message.refusal !== null) {
    const { reason, message: text, freedBy } = message.refusal;
    explanation.refusal = { reason, message: text, freedBy };
  }
  return explanation;
}

function holderToWire(holder: HolderExplanation): HolderInput {
  const message: HolderInput = {
    attachment: attachmentToWire(holder.attachment),
    nodeState: nodeStates.toWire(holder.nodeState),
    freedBy: holder.freedBy,
  };
  if (holder.mountIds !== undefined) message.mountIds = { ids: [...holder.mountIds] };
  return message;
}

function holderFromWire(message: Holder): HolderExplanation {
  const holder: Writable<HolderExplanation> = {
    attachment: attachmentFromWire(required(message.attachment, 'holders.attachment')),
    nodeState: nodeStates.requiredFromWire(message.nodeState, 'holders.node_state'),
    freedBy: message.freedBy,
  };
  if (message.mountIds !== null) holder.mountIds = mountIdsFromWire(message.mountIds, 'holders.mount_ids');
  return holder;
}

function candidateToWire({ node, passed, reason, mountIds }: CandidateExplanation): CandidateInput {
  return { node, passed, reason, ...(mountIds === undefined ? {} : { mountIds: { ids: [...mountIds] } }) };
}

function candidateFromWire({ node, passed, reason, mountIds }: Candidate): CandidateExplanation {
  return {
    node: textFromWire(node, isNodeName, 'candidates.node'),
    passed,
    reason,
    ...(mountIds === null ? {} : { mountIds: mountIdsFromWire(mountIds, 'candidates.mount_ids') }),
  };
}

function evidenceToWire(evidence: Evidence): EvidenceInput {
  return {
    kind: evidenceKinds.toWire(evidence.kind),
    node: evidence.node,
    nodeUid: evidence.nodeUid,
    seq: uint64ToWire(evidence.seq, 'evidence.seq'),
    epoch: uint64ToWire(evidence.epoch, 'evidence.epoch'),
    at: evidence.at,
    detail: evidence.detail,
  };
}

function evidenceFromWire(message: WireEvidence): Evidence {
  return {
    kind: evidenceKinds.requiredFromWire(message.kind, 'evidence.kind'),
    node: textFromWire(message.node, isNodeName, 'evidence.node'),
    nodeUid: textFromWire(message.nodeUid, isNodeUid, 'evidence.node_uid'),
    seq: uint64FromWire(message.seq, 'evidence.seq'),
    epoch: uint64FromWire(message.epoch, 'evidence.epoch'),
    at: message.at,
    detail: message.detail,
  };
}
