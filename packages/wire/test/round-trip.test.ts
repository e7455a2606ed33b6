import type { Reason } from '@volplane/base';
import { REASONS } from '@volplane/base';
import type { NodeEvent, NodeLostPlan, VolumeEvent, VolumeExplanation } from '@volplane/domain';
import { loadProtocol, type FailureStatus, type Method } from '@volplane/wire';
import { expect } from 'chai';
import fc, { type Arbitrary } from 'fast-check';
import * as any from './arbitraries.js';

/*
 * Every request and every response goes through its bytes and comes back equal, for any value of the domain.
 */
describe('protocol round trips', () => {
  const { volumes, nodes, drivers, status } = loadProtocol();
  const { count, nodeName, shape, text, volumeName } = any;

  const ref = shape({ name: text, node: text }, ['node']);
  const page = { pageSize: fc.nat(), pageToken: text };
  const namedNode = shape({ name: text });
  const watch = shape({ namePrefix: text }, ['namePrefix']);
  const nothing = fc.constant(undefined);

  const explanation = shape<VolumeExplanation>(
    {
      volume: any.volumeView,
      summary: fc.array(text, { maxLength: 3 }),
      holders: fc.array(
        shape({ attachment: any.attachment, nodeState: any.nodeState, mountIds: fc.array(any.mountId, { maxLength: 2 }), freedBy: text }, [
          'mountIds',
        ]),
        { maxLength: 2 },
      ),
      waitsFor: text,
      evidence: fc.array(any.evidence, { maxLength: 2 }),
      candidates: fc.array(
        shape({ node: nodeName, passed: fc.boolean(), reason: text, mountIds: fc.array(any.mountId, { maxLength: 2 }) }, ['mountIds']),
        { maxLength: 2 },
      ),
      history: fc.array(shape({ revision: count, summary: text }), { maxLength: 2 }),
      refusal: shape({ reason: text, message: text, freedBy: text }),
    },
    ['waitsFor', 'refusal'],
  );
  const volumeEvent = fc.oneof<Arbitrary<VolumeEvent>[]>(
    shape({ type: fc.constantFrom('present', 'changed'), volume: any.volumeView, revision: count }),
    shape({ type: fc.constant('removed'), name: volumeName, revision: count }),
    shape({ type: fc.constant('synced'), revision: count }),
  );
  const nodeEvent = fc.oneof<Arbitrary<NodeEvent>[]>(
    shape({ type: fc.constantFrom('present', 'changed'), node: any.nodeView }),
    shape({ type: fc.constant('synced') }),
  );
  const plan = shape<NodeLostPlan>({
    node: nodeName,
    nodeUid: any.nodeUid,
    state: any.nodeState,
    planRevision: text,
    volumes: fc.array(shape({ name: text, risk: text, attached: fc.boolean(), owned: fc.boolean() }), { maxLength: 3 }),
    done: fc.boolean(),
  });

  roundTrip('createVolume', volumes.createVolume, any.createVolumeRequest, any.volumeView);
  roundTrip('getVolume', volumes.getVolume, ref, any.volumeView);
  roundTrip(
    'listVolumes',
    volumes.listVolumes,
    shape({ ...page, filter: any.volumeFilter, stale: fc.constant(true) }, ['pageSize', 'pageToken', 'filter', 'stale']),
    shape(
      {
        volumes: fc.array(any.volumeView, { maxLength: 3 }),
        nextPageToken: text,
        unansweredNodes: fc.array(nodeName, { maxLength: 3 }),
        warnings: fc.array(text, { maxLength: 3 }),
      },
      ['nextPageToken'],
    ),
  );
  roundTrip(
    'updateLabels',
    volumes.updateLabels,
    shape(
      {
        name: text,
        node: text,
        set: any.stringMap,
        drop: fc.array(text, { maxLength: 3 }),
        expectedGeneration: count,
        takeover: any.takeover,
      },
      ['node', 'expectedGeneration', 'takeover'],
    ),
    any.volumeView,
  );
  roundTrip('removeVolume', volumes.removeVolume, shape({ name: text, node: text, uid: text }, ['node', 'uid']), nothing);
  roundTrip('forgetVolume', volumes.forgetVolume, ref, nothing);
  roundTrip(
    'mountVolume',
    volumes.mountVolume,
    shape({ name: text, node: text, mountId: text, mode: any.mountMode }, ['node', 'mode']),
    shape({ path: text, node: nodeName, mode: any.mountMode, epoch: count, seq: count }),
  );
  roundTrip('unmountVolume', volumes.unmountVolume, shape({ name: text, node: text, mountId: text, seq: count }, ['node', 'seq']), nothing);
  roundTrip('getPath', volumes.getPath, ref, shape({ path: text }, ['path']));
  roundTrip('getStatus', volumes.getStatus, ref, shape({ status: any.stringMap }));
  roundTrip('transferOwnership', volumes.transferOwnership, shape({ name: text, toNode: text }), any.volumeView);
  roundTrip('forceRelease', volumes.forceRelease, shape({ name: text, node: text, note: text }), any.volumeView);
  roundTrip('releaseGone', volumes.releaseGone, shape({ name: text, node: text }), any.volumeView);
  roundTrip('expandVolume', volumes.expandVolume, shape({ name: text, node: text, sizeBytes: count }, ['node']), any.volumeView);
  roundTrip('createSnapshot', volumes.createSnapshot, shape({ name: text, node: text, snapshot: text }, ['node']), any.volumeView);
  roundTrip('removeSnapshot', volumes.removeSnapshot, shape({ name: text, node: text, snapshot: text }, ['node']), any.volumeView);
  roundTrip(
    'listSnapshots',
    volumes.listSnapshots,
    shape(
      {
        ...page,
        filter: shape({ names: fc.array(text, { minLength: 1, maxLength: 3 }), namePrefix: text, volume: text, node: text }, [
          'names',
          'namePrefix',
          'volume',
          'node',
        ]),
      },
      ['pageSize', 'pageToken', 'filter'],
    ),
    shape(
      {
        snapshots: fc.array(any.snapshotView, { maxLength: 3 }),
        nextPageToken: text,
        unansweredNodes: fc.array(nodeName, { maxLength: 3 }),
      },
      ['nextPageToken'],
    ),
  );
  roundTrip(
    'explainVolume',
    volumes.explainVolume,
    shape({ name: text, node: text, forNode: text, atRevision: count }, ['node', 'forNode', 'atRevision']),
    explanation,
  );
  roundTrip('watchVolumes', volumes.watchVolumes, watch, volumeEvent);
  roundTrip(
    'listNodes',
    nodes.listNodes,
    shape(page, ['pageSize', 'pageToken']),
    shape({ nodes: fc.array(any.nodeView, { maxLength: 3 }), nextPageToken: text }, ['nextPageToken']),
  );
  roundTrip('getNode', nodes.getNode, namedNode, any.nodeView);
  roundTrip('cordonNode', nodes.cordonNode, namedNode, any.nodeView);
  roundTrip('uncordonNode', nodes.uncordonNode, namedNode, any.nodeView);
  roundTrip(
    'drainNode',
    nodes.drainNode,
    namedNode,
    shape({
      node: any.nodeView,
      moved: fc.array(volumeName, { maxLength: 3 }),
      remaining: fc.array(shape({ name: text, scope: any.scope, reason: text }), { maxLength: 3 }),
    }),
  );
  roundTrip('planNodeLost', nodes.planNodeLost, namedNode, plan);
  roundTrip('declareNodeLost', nodes.declareNodeLost, shape({ name: text, planRevision: text, note: text }), plan);
  roundTrip('watchNodes', nodes.watchNodes, watch, nodeEvent);
  roundTrip(
    'listDrivers',
    drivers.listDrivers,
    shape({ node: text }, ['node']),
    fc.array(shape({ info: any.driverInfo, nodes: fc.array(nodeName, { maxLength: 3 }) }), { maxLength: 3 }),
  );
  roundTrip(
    'getCapacity',
    drivers.getCapacity,
    shape({ driver: text, node: text }, ['node']),
    shape({ availableBytes: count, volumeBytesMax: count, volumeBytesMin: count }, ['volumeBytesMax', 'volumeBytesMin']),
  );

  it('createVolumes: every request and every result', () => {
    const { createVolumes } = volumes;
    fc.assert(
      fc.property(fc.array(any.createVolumeRequest, { minLength: 1, maxLength: 5 }), (requests) => {
        const items = createVolumes.decodeRequest(createVolumes.encodeRequest(requests));
        expect(items).to.deep.equal(requests.map((request) => ({ request })));
      }),
      { numRuns: 50 },
    );
    const failure = shape({ reason: fc.constantFrom(...reasons), message: text, fields: any.stringMap });
    const result = fc.oneof(shape({ index: fc.nat(), volume: any.volumeView }), shape({ index: fc.nat(), failure }));
    fc.assert(
      fc.property(fc.array(result, { maxLength: 5 }), (results) => {
        const bytes = createVolumes.encodeResponse(results.map((one) => ({ ...one, statusCode: 3 })));
        expect(createVolumes.decodeResponse(bytes)).to.deep.equal(results);
      }),
      { numRuns: 50 },
    );
  });

  it('the status in the trailer: every failure with its delay', () => {
    const failureStatus = shape<FailureStatus>(
      {
        code: fc.integer({ min: 1, max: 16 }),
        failure: shape({ reason: fc.constantFrom(...reasons), message: text, fields: any.stringMap }),
        retryDelayMs: fc.nat({ max: 3_600_000 }),
      },
      ['retryDelayMs'],
    );
    fc.assert(
      fc.property(failureStatus, (value) => {
        expect(status.decode(status.encode(value))).to.deep.equal(value);
      }),
    );
  });

  it('a reason that only a newer peer knows becomes INTERNAL and keeps its text', () => {
    const bytes = status.encode({
      code: 9,
      failure: { reason: 'TOO_BLUE' as Reason, message: 'volume x is too blue', fields: { shade: 'navy' } },
    });
    expect(status.decode(bytes)?.failure).to.deep.equal({
      reason: 'INTERNAL',
      message: 'volume x is too blue',
      fields: { shade: 'navy', peerReason: 'TOO_BLUE' },
    });
  });

  it('a trailer of another server is no failure of ours', () => {
    expect(status.decode(Buffer.from('not a status'))).to.equal(undefined);
    expect(status.decode(Buffer.alloc(0))).to.equal(undefined);
  });
});

const reasons = Object.keys(REASONS) as Reason[];

function roundTrip<Request, Response>(
  name: string,
  method: Method<Request, Response>,
  request: Arbitrary<Request>,
  response: Arbitrary<Response>,
): void {
  it(name, () => {
    fc.assert(
      fc.property(request, (value) => {
        expect(method.decodeRequest(method.encodeRequest(value))).to.deep.equal(value);
      }),
      { numRuns: 50 },
    );
    fc.assert(
      fc.property(response, (value) => {
        expect(method.decodeResponse(method.encodeResponse(value))).to.deep.equal(value);
      }),
      { numRuns: 50 },
    );
  });
}
