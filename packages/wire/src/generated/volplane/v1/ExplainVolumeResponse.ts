// Original file: ../../proto/volplane/v1/volumes.proto

import type { VolumeInput as _volplane_v1_VolumeInput, Volume as _volplane_v1_Volume } from '../../volplane/v1/Volume.js';
import type { HolderInput as _volplane_v1_HolderInput, Holder as _volplane_v1_Holder } from '../../volplane/v1/Holder.js';
import type { EvidenceInput as _volplane_v1_EvidenceInput, Evidence as _volplane_v1_Evidence } from '../../volplane/v1/Evidence.js';
import type { CandidateInput as _volplane_v1_CandidateInput, Candidate as _volplane_v1_Candidate } from '../../volplane/v1/Candidate.js';
import type { HistoryEntryInput as _volplane_v1_HistoryEntryInput, HistoryEntry as _volplane_v1_HistoryEntry } from '../../volplane/v1/HistoryEntry.js';
import type { ExpectedRefusalInput as _volplane_v1_ExpectedRefusalInput, ExpectedRefusal as _volplane_v1_ExpectedRefusal } from '../../volplane/v1/ExpectedRefusal.js';

export interface ExplainVolumeResponseInput {
  'volume'?: (_volplane_v1_VolumeInput | null);
  'summary'?: (string)[];
  'holders'?: (_volplane_v1_HolderInput)[];
  'waitsFor'?: (string);
  'evidence'?: (_volplane_v1_EvidenceInput)[];
  'candidates'?: (_volplane_v1_CandidateInput)[];
  'history'?: (_volplane_v1_HistoryEntryInput)[];
  'refusal'?: (_volplane_v1_ExpectedRefusalInput | null);
  '_waitsFor'?: "waitsFor";
}

export interface ExplainVolumeResponse {
  'volume': (_volplane_v1_Volume | null);
  'summary': (string)[];
  'holders': (_volplane_v1_Holder)[];
  'waitsFor'?: (string);
  'evidence': (_volplane_v1_Evidence)[];
  'candidates': (_volplane_v1_Candidate)[];
  'history': (_volplane_v1_HistoryEntry)[];
  'refusal': (_volplane_v1_ExpectedRefusal | null);
  '_waitsFor'?: "waitsFor";
}
