// Original file: ../../proto/volplane/v1/volumes.proto

import type { AttachmentInput as _volplane_v1_AttachmentInput, Attachment as _volplane_v1_Attachment } from '../../volplane/v1/Attachment.js';
import type { NodeStateInput as _volplane_v1_NodeStateInput, NodeState as _volplane_v1_NodeState } from '../../volplane/v1/NodeState.js';
import type { MountIdsInput as _volplane_v1_MountIdsInput, MountIds as _volplane_v1_MountIds } from '../../volplane/v1/MountIds.js';

export interface HolderInput {
  'attachment'?: (_volplane_v1_AttachmentInput | null);
  'nodeState'?: (_volplane_v1_NodeStateInput);
  'mountIds'?: (_volplane_v1_MountIdsInput | null);
  'freedBy'?: (string);
}

export interface Holder {
  'attachment': (_volplane_v1_Attachment | null);
  'nodeState': (_volplane_v1_NodeState);
  'mountIds': (_volplane_v1_MountIds | null);
  'freedBy': (string);
}
