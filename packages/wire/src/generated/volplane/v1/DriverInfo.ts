// Original file: ../../proto/volplane/v1/drivers.proto

import type { DriverCapabilitiesInput as _volplane_v1_DriverCapabilitiesInput, DriverCapabilities as _volplane_v1_DriverCapabilities } from '../../volplane/v1/DriverCapabilities.js';

export interface DriverInfoInput {
  'name'?: (string);
  'capabilities'?: (_volplane_v1_DriverCapabilitiesInput | null);
  'options'?: ({[key: string]: string});
}

export interface DriverInfo {
  'name': (string);
  'capabilities': (_volplane_v1_DriverCapabilities | null);
  'options': ({[key: string]: string});
}
