// Original file: ../../proto/volplane/v1/volumes.proto

import type { MountIdsInput as _volplane_v1_MountIdsInput, MountIds as _volplane_v1_MountIds } from '../../volplane/v1/MountIds.js';

export interface CandidateInput {
  'node'?: (string);
  'passed'?: (boolean);
  'reason'?: (string);
  'mountIds'?: (_volplane_v1_MountIdsInput | null);
}

export interface Candidate {
  'node': (string);
  'passed': (boolean);
  'reason': (string);
  'mountIds': (_volplane_v1_MountIds | null);
}
