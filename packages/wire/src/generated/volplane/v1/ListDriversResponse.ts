// Original file: ../../proto/volplane/v1/drivers.proto

import type { DriverInput as _volplane_v1_DriverInput, Driver as _volplane_v1_Driver } from '../../volplane/v1/Driver.js';

export interface ListDriversResponseInput {
  'drivers'?: (_volplane_v1_DriverInput)[];
}

export interface ListDriversResponse {
  'drivers': (_volplane_v1_Driver)[];
}
