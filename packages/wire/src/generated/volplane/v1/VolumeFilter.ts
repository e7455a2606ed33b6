// Original file: ../../proto/volplane/v1/volumes.proto

import type { ScopeInput as _volplane_v1_ScopeInput, Scope as _volplane_v1_Scope } from '../../volplane/v1/Scope.js';

export interface VolumeFilterInput {
  'names'?: (string)[];
  'namePrefix'?: (string);
  'drivers'?: (string)[];
  'scope'?: (_volplane_v1_ScopeInput);
  'labels'?: ({[key: string]: string});
  'node'?: (string);
  'dangling'?: (boolean);
  '_namePrefix'?: "namePrefix";
  '_node'?: "node";
  '_dangling'?: "dangling";
}

export interface VolumeFilter {
  'names': (string)[];
  'namePrefix'?: (string);
  'drivers': (string)[];
  'scope': (_volplane_v1_Scope);
  'labels': ({[key: string]: string});
  'node'?: (string);
  'dangling'?: (boolean);
  '_namePrefix'?: "namePrefix";
  '_node'?: "node";
  '_dangling'?: "dangling";
}
