// Original file: ../../proto/volplane/v1/drivers.proto

import type { Long } from '@grpc/proto-loader';

export interface GetCapacityResponseInput {
  'availableBytes'?: (number | string | Long);
  'volumeBytesMax'?: (number | string | Long);
  'volumeBytesMin'?: (number | string | Long);
  '_volumeBytesMax'?: "volumeBytesMax";
  '_volumeBytesMin'?: "volumeBytesMin";
}

export interface GetCapacityResponse {
  'availableBytes': (string);
  'volumeBytesMax'?: (string);
  'volumeBytesMin'?: (string);
  '_volumeBytesMax'?: "volumeBytesMax";
  '_volumeBytesMin'?: "volumeBytesMin";
}
