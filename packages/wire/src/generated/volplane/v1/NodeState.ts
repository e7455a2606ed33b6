// Original file: ../../proto/volplane/v1/common.proto

export const NodeState = {
  NODE_STATE_UNSPECIFIED: 'NODE_STATE_UNSPECIFIED',
  NODE_STATE_CONNECTED: 'NODE_STATE_CONNECTED',
  NODE_STATE_SILENT: 'NODE_STATE_SILENT',
  NODE_STATE_GONE: 'NODE_STATE_GONE',
  NODE_STATE_LOST: 'NODE_STATE_LOST',
} as const;

export type NodeStateInput =
  | 'NODE_STATE_UNSPECIFIED'
  | 0
  | 'NODE_STATE_CONNECTED'
  | 1
  | 'NODE_STATE_SILENT'
  | 2
  | 'NODE_STATE_GONE'
  | 3
  | 'NODE_STATE_LOST'
  | 4

export type NodeState = typeof NodeState[keyof typeof NodeState]
