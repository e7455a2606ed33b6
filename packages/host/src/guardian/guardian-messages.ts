import { isVolumeUid } from '@volplane/domain';
import { z } from 'zod';

const uid = z.string().refine(isVolumeUid, 'not a volume uid');
const armed = z.strictObject({
  uid,
  target: z.string().startsWith('/'),
  method: z.enum(['shutdown', 'fuse']),
  deadlineMs: z.number(),
  abortedAtMs: z.number().exactOptional(),
});

/** A line from the agent to its guardian; every one is answered under its id. */
export const guardianRequest = z.strictObject({
  id: z.number().int(),
  call: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('arm'), mount: armed }),
    z.strictObject({ type: z.literal('extend'), deadlineMs: z.number() }),
    z.strictObject({ type: z.literal('open-gate'), uid, mountMsMax: z.number().positive() }),
    z.strictObject({ type: z.literal('close-gate'), uid }),
    z.strictObject({ type: z.literal('disarm'), uid }),
    z.strictObject({ type: z.literal('list') }),
  ]),
});
export type GuardianCall = z.infer<typeof guardianRequest>['call'];

export const guardianAnswer = z.object({ id: z.number().int(), ok: z.boolean(), mounts: z.array(armed).exactOptional() });
export type GuardianAnswer = z.infer<typeof guardianAnswer>;

/** What the guardian's file holds. */
export const armedFile = z.array(armed);
