// Original file: ../../proto/volplane/v1/common.proto

export const Scope = {
  SCOPE_UNSPECIFIED: 'SCOPE_UNSPECIFIED',
  SCOPE_LOCAL: 'SCOPE_LOCAL',
  SCOPE_GLOBAL: 'SCOPE_GLOBAL',
} as const;

export type ScopeInput =
  | 'SCOPE_UNSPECIFIED'
  | 0
  | 'SCOPE_LOCAL'
  | 1
  | 'SCOPE_GLOBAL'
  | 2

export type Scope = typeof Scope[keyof typeof Scope]
