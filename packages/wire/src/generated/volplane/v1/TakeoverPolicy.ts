// Original file: ../../proto/volplane/v1/common.proto

export const TakeoverPolicy = {
  TAKEOVER_POLICY_UNSPECIFIED: 'TAKEOVER_POLICY_UNSPECIFIED',
  TAKEOVER_POLICY_MANUAL: 'TAKEOVER_POLICY_MANUAL',
  TAKEOVER_POLICY_LEASE: 'TAKEOVER_POLICY_LEASE',
  TAKEOVER_POLICY_STORAGE: 'TAKEOVER_POLICY_STORAGE',
} as const;

export type TakeoverPolicyInput =
  | 'TAKEOVER_POLICY_UNSPECIFIED'
  | 0
  | 'TAKEOVER_POLICY_MANUAL'
  | 1
  | 'TAKEOVER_POLICY_LEASE'
  | 2
  | 'TAKEOVER_POLICY_STORAGE'
  | 3

export type TakeoverPolicy = typeof TakeoverPolicy[keyof typeof TakeoverPolicy]
