// Original file: ../../proto/volplane/v1/drivers.proto

import type { DriverInfoInput as _volplane_v1_DriverInfoInput, DriverInfo as _volplane_v1_DriverInfo } from '../../volplane/v1/DriverInfo.js';

export interface DriverInput {
  'info'?: (_volplane_v1_DriverInfoInput | null);
  'nodes'?: (string)[];
}

export interface Driver {
  'info': (_volplane_v1_DriverInfo | null);
  'nodes': (string)[];
}
