import { expect } from 'chai';
import { ClientClosedError, EtcdLeaseInvalidError } from 'etcd3';
import { fateOf } from '../src/fate.js';

describe('fate of a request', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1', 'not-sent'],
    ['14 UNAVAILABLE: Name resolution failed for target dns:nowhere:2379', 'not-sent'],
    ['14 UNAVAILABLE: Channel closed before call started', 'not-sent'],
    ['3 INVALID_ARGUMENT: etcdserver: request is too large', 'refused'],
    ['11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted', 'refused'],
    ['7 PERMISSION_DENIED: etcdserver: permission denied', 'refused'],
    ['8 RESOURCE_EXHAUSTED: etcdserver: too many requests', 'refused'],
    ['16 UNAUTHENTICATED: etcdserver: invalid auth token', 'refused'],
    ['8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded', 'unknown'],
    ['14 UNAVAILABLE: etcdserver: request timed out', 'unknown'],
    ['14 UNAVAILABLE: etcdserver: leader changed', 'unknown'],
    ['14 UNAVAILABLE: Connection dropped', 'unknown'],
    ['14 UNAVAILABLE: read ECONNRESET', 'unknown'],
    ['4 DEADLINE_EXCEEDED: Deadline exceeded after 5.000s', 'unknown'],
    ['13 INTERNAL: Received RST_STREAM with code 2', 'unknown'],
    // grpc-js makes these from a broken connection, so the code of a refusal proves nothing without a text of etcd.
    ['8 RESOURCE_EXHAUSTED: Bandwidth exhausted or memory limit exceeded', 'unknown'],
    ['7 PERMISSION_DENIED: Protocol not secure enough', 'unknown'],
    ['no answer within 5000 ms', 'unknown'],
  ];
  for (const [text, fate] of cases) {
    it(`is ${fate} after: ${text}`, () => {
      expect(fateOf(new Error(text))).to.equal(fate);
    });
  }

  it('knows the errors of etcd3 that have texts of their own', () => {
    expect(fateOf(new EtcdLeaseInvalidError('1'))).to.equal('refused');
    expect(fateOf(new ClientClosedError('KV'))).to.equal('not-sent');
    expect(fateOf('a text')).to.equal('unknown');
  });
});
