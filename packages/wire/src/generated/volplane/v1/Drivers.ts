// Original file: ../../proto/volplane/v1/drivers.proto

import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetCapacityRequestInput as _volplane_v1_GetCapacityRequestInput, GetCapacityRequest as _volplane_v1_GetCapacityRequest } from '../../volplane/v1/GetCapacityRequest.js';
import type { GetCapacityResponseInput as _volplane_v1_GetCapacityResponseInput, GetCapacityResponse as _volplane_v1_GetCapacityResponse } from '../../volplane/v1/GetCapacityResponse.js';
import type { ListDriversRequestInput as _volplane_v1_ListDriversRequestInput, ListDriversRequest as _volplane_v1_ListDriversRequest } from '../../volplane/v1/ListDriversRequest.js';
import type { ListDriversResponseInput as _volplane_v1_ListDriversResponseInput, ListDriversResponse as _volplane_v1_ListDriversResponse } from '../../volplane/v1/ListDriversResponse.js';

export interface DriversDefinition {
  GetCapacity: MethodDefinition<_volplane_v1_GetCapacityRequestInput, _volplane_v1_GetCapacityResponseInput, _volplane_v1_GetCapacityRequest, _volplane_v1_GetCapacityResponse>
  ListDrivers: MethodDefinition<_volplane_v1_ListDriversRequestInput, _volplane_v1_ListDriversResponseInput, _volplane_v1_ListDriversRequest, _volplane_v1_ListDriversResponse>
}
