// Original file: ../../proto/volplane/v1/volumes.proto

import type { EvidenceKindInput as _volplane_v1_EvidenceKindInput, EvidenceKind as _volplane_v1_EvidenceKind } from '../../volplane/v1/EvidenceKind.js';
import type { Long } from '@grpc/proto-loader';

export interface EvidenceInput {
  'kind'?: (_volplane_v1_EvidenceKindInput);
  'node'?: (string);
  'nodeUid'?: (string);
  'seq'?: (number | string | Long);
  'epoch'?: (number | string | Long);
  'at'?: (string);
  'detail'?: (string);
}

export interface Evidence {
  'kind': (_volplane_v1_EvidenceKind);
  'node': (string);
  'nodeUid': (string);
  'seq': (string);
  'epoch': (string);
  'at': (string);
  'detail': (string);
}
