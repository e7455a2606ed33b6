// Original file: ../../proto/volplane/v1/nodes.proto

import type { ScopeInput as _volplane_v1_ScopeInput, Scope as _volplane_v1_Scope } from '../../volplane/v1/Scope.js';

export interface DrainRemainderInput {
  'name'?: (string);
  'scope'?: (_volplane_v1_ScopeInput);
  'reason'?: (string);
}

export interface DrainRemainder {
  'name': (string);
  'scope': (_volplane_v1_Scope);
  'reason': (string);
}
