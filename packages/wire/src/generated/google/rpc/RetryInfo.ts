// Original file: ../../proto/google/rpc/error_details.proto

import type { DurationInput as _google_protobuf_DurationInput, Duration as _google_protobuf_Duration } from '../../google/protobuf/Duration.js';

export interface RetryInfoInput {
  'retryDelay'?: (_google_protobuf_DurationInput | null);
}

export interface RetryInfo {
  'retryDelay': (_google_protobuf_Duration | null);
}
