import { expect } from 'chai';
import type { CallGate } from '../src/call-gate.js';
import { changing } from '../src/handlers.js';

describe('csi handlers', () => {
  it('keep no secrets beside a call that waits, and take calls that differ in them for the same', async () => {
    const kept: string[] = [];
    const gate = {
      change: (_: unknown, about: { readonly sameAs: string }) => {
        kept.push(about.sameAs);
        return Promise.resolve({});
      },
    };
    const handler = changing(
      // What the gate does with it: call-gate.test.ts.
      gate as unknown as CallGate,
      'NodeStageVolume',
      () => 'volume v1',
      () => Promise.resolve({}),
    );
    for (const password of ['hunter2', 'hunter3']) {
      const request = { volume_id: 'v1', secrets: { password } };
      await handler(request, { timeoutMs: Infinity });
    }
    expect(kept).to.deep.equal(['NodeStageVolume {"volume_id":"v1"}', 'NodeStageVolume {"volume_id":"v1"}']);
  });
});
