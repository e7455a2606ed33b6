// Original file: ../../proto/volplane/v1/drivers.proto

import type { ScopeInput as _volplane_v1_ScopeInput, Scope as _volplane_v1_Scope } from '../../volplane/v1/Scope.js';
import type { AccessModeInput as _volplane_v1_AccessModeInput, AccessMode as _volplane_v1_AccessMode } from '../../volplane/v1/AccessMode.js';
import type { TakeoverPolicyInput as _volplane_v1_TakeoverPolicyInput, TakeoverPolicy as _volplane_v1_TakeoverPolicy } from '../../volplane/v1/TakeoverPolicy.js';

export interface DriverCapabilitiesInput {
  'scope'?: (_volplane_v1_ScopeInput);
  'accessModes'?: (_volplane_v1_AccessModeInput)[];
  'takeover'?: (_volplane_v1_TakeoverPolicyInput)[];
  'abort'?: (boolean);
  'fence'?: (boolean);
  'size'?: (boolean);
  'expand'?: (boolean);
  'snapshot'?: (boolean);
  'clone'?: (boolean);
  'block'?: (boolean);
}

export interface DriverCapabilities {
  'scope': (_volplane_v1_Scope);
  'accessModes': (_volplane_v1_AccessMode)[];
  'takeover': (_volplane_v1_TakeoverPolicy)[];
  'abort': (boolean);
  'fence': (boolean);
  'size': (boolean);
  'expand': (boolean);
  'snapshot': (boolean);
  'clone': (boolean);
  'block': (boolean);
}
