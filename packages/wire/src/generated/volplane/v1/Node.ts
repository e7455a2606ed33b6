// Original file: ../../proto/volplane/v1/nodes.proto

import type { NodeStateInput as _volplane_v1_NodeStateInput, NodeState as _volplane_v1_NodeState } from '../../volplane/v1/NodeState.js';
import type { DriverInfoInput as _volplane_v1_DriverInfoInput, DriverInfo as _volplane_v1_DriverInfo } from '../../volplane/v1/DriverInfo.js';

export interface NodeInput {
  'name'?: (string);
  'uid'?: (string);
  'state'?: (_volplane_v1_NodeStateInput);
  'drivers'?: (_volplane_v1_DriverInfoInput)[];
  'labels'?: ({[key: string]: string});
  'version'?: (string);
  'registeredAt'?: (string);
  'cordoned'?: (boolean);
  'sessionSince'?: (string);
  'attachedVolumes'?: (number);
  'ownedVolumes'?: (number);
  'goneSince'?: (string);
  '_sessionSince'?: "sessionSince";
  '_goneSince'?: "goneSince";
}

export interface Node {
  'name': (string);
  'uid': (string);
  'state': (_volplane_v1_NodeState);
  'drivers': (_volplane_v1_DriverInfo)[];
  'labels': ({[key: string]: string});
  'version': (string);
  'registeredAt': (string);
  'cordoned': (boolean);
  'sessionSince'?: (string);
  'attachedVolumes': (number);
  'ownedVolumes': (number);
  'goneSince'?: (string);
  '_sessionSince'?: "sessionSince";
  '_goneSince'?: "goneSince";
}
