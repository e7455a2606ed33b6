// Original file: ../../proto/volplane/v1/volumes.proto

import type { Long } from '@grpc/proto-loader';

export interface HistoryEntryInput {
  'revision'?: (number | string | Long);
  'summary'?: (string);
}

export interface HistoryEntry {
  'revision': (string);
  'summary': (string);
}
