import { AppError, type Reason } from '@volplane/base';
import { LIMITS, type VolumeView } from '@volplane/domain';
import { LIST_ENTRIES_MAX, loadProtocol } from '@volplane/wire';
import { expect } from 'chai';
import fc from 'fast-check';
import { volumeView } from './arbitraries.js';

/*
 * Messages as a foreign or newer peer may send them: bytes that the codecs of this version would never make. They are made by
 * the same proto files without the codecs.
 */
describe('bad messages', () => {
  const { volumes, nodes, packageDefinition } = loadProtocol();

  /** The bytes of a message, unchecked. */
  function raw(type: string, message: object): Buffer {
    const definition = packageDefinition[`volplane.v1.${type}`];
    if (definition === undefined || !('serialize' in definition) || typeof definition.serialize !== 'function')
      throw new Error(`no message ${type}`);
    const serialize: (message: object) => Buffer = definition.serialize;
    return serialize(message);
  }

  const createWith = (message: object) => (): unknown =>
    volumes.createVolume.decodeRequest(raw('CreateVolumeRequest', { name: 'data', ...message }));

  it('refuses an enum value that this version does not know, and does not take it for the default', () => {
    refuses(createWith({ accessMode: 77 }), 'INVALID_ARGUMENT', 'access_mode', '77');
    refuses(createWith({ takeover: 99 }), 'INVALID_ARGUMENT', 'takeover', '99');
  });

  it('takes an enum that is not given as absent', () => {
    expect(createWith({ accessMode: 0 })()).to.deep.equal({ name: 'data' });
  });

  it('refuses a uint64 that a number cannot hold', () => {
    refuses(createWith({ sizeBytes: '9007199254740992' }), 'INVALID_ARGUMENT', 'size_bytes', '9007199254740992');
    refuses(createWith({ sizeBytes: '18446744073709551615' }), 'INVALID_ARGUMENT', 'size_bytes');
    expect(createWith({ sizeBytes: '9007199254740991' })()).to.deep.equal({ name: 'data', sizeBytes: Number.MAX_SAFE_INTEGER });
  });

  it('refuses to encode what the encoder would silently change', () => {
    for (const sizeBytes of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      refuses(() => volumes.createVolume.encodeRequest({ name: 'data', sizeBytes }), 'INVALID_ARGUMENT', 'size_bytes');
    }
    for (const pageSize of [-1, 0.5, 2 ** 32]) {
      refuses(() => volumes.listVolumes.encodeRequest({ pageSize }), 'INVALID_ARGUMENT', 'page_size');
    }
    // A word that is no word of the enum comes from code that did not compile.
    const scope = 'everywhere' as 'local';
    expect(() => volumes.listVolumes.encodeRequest({ filter: { scope } })).to.throw('everywhere');
  });

  it('refuses maps beyond their bounds, wherever they stand', () => {
    const wide = Object.fromEntries(Array.from({ length: LIMITS.mapEntries + 1 }, (_, index) => [`k${String(index)}`, '']));
    refuses(createWith({ labels: wide }), 'TOO_LARGE', 'labels');
    refuses(createWith({ options: wide }), 'TOO_LARGE', 'options');
    refuses(createWith({ topology: wide }), 'TOO_LARGE', 'topology');
    refuses(createWith({ labels: { ['k'.repeat(LIMITS.mapKeyBytes + 1)]: '' } }), 'TOO_LARGE', 'labels');
    refuses(createWith({ options: { k: 'v'.repeat(LIMITS.mapValueBytes + 1) } }), 'TOO_LARGE', 'options');
    // Bytes count, not characters.
    refuses(createWith({ options: { k: 'é'.repeat(LIMITS.mapValueBytes / 2 + 1) } }), 'TOO_LARGE', 'options');
    refuses(() => volumes.listVolumes.decodeRequest(raw('ListVolumesRequest', { filter: { labels: wide } })), 'TOO_LARGE', 'filter.labels');
    refuses(() => volumes.updateLabels.decodeRequest(raw('UpdateLabelsRequest', { name: 'data', set: wide })), 'TOO_LARGE', 'set');
  });

  it('takes maps that reach their bounds', () => {
    const full = Object.fromEntries(
      Array.from({ length: LIMITS.mapEntries }, (_, index) => [
        String(index).padEnd(LIMITS.mapKeyBytes, 'k'),
        'v'.repeat(LIMITS.mapValueBytes),
      ]),
    );
    expect(createWith({ labels: full })()).to.deep.equal({ name: 'data', labels: full });
    const wide = { k: 'é'.repeat(LIMITS.mapValueBytes / 2) };
    expect(createWith({ labels: wide })()).to.deep.equal({ name: 'data', labels: wide });
  });

  it('refuses map keys that would get lost', () => {
    refuses(createWith({ labels: { '': 'x' } }), 'INVALID_ARGUMENT', 'labels');
    refuses(createWith({ labels: JSON.parse('{"__proto__":"x"}') as object }), 'INVALID_ARGUMENT', 'labels');
  });

  it('refuses lists beyond their bound', () => {
    const names = Array.from({ length: LIST_ENTRIES_MAX + 1 }, () => 'x');
    refuses(() => volumes.listVolumes.decodeRequest(raw('ListVolumesRequest', { filter: { names } })), 'TOO_LARGE', 'filter.names');
    refuses(
      () => volumes.listVolumes.decodeRequest(raw('ListVolumesRequest', { filter: { drivers: names } })),
      'TOO_LARGE',
      'filter.drivers',
    );
    refuses(() => volumes.updateLabels.decodeRequest(raw('UpdateLabelsRequest', { name: 'data', drop: names })), 'TOO_LARGE', 'drop');
    const batch = raw('CreateVolumesRequest', { volumes: names.map((name) => ({ name })) });
    refuses(() => volumes.createVolumes.decodeRequest(batch), 'TOO_LARGE', 'volumes');
  });

  it('refuses two members of a oneof, and none', () => {
    const [volume] = fc.sample(volumeView, { numRuns: 1, seed: 7 }) as [VolumeView];
    const present = volumes.watchVolumes.encodeResponse({ type: 'present', volume, revision: 5 });
    const removed = raw('WatchVolumesResponse', { removed: { name: 'data' } });
    refuses(
      () => volumes.watchVolumes.decodeResponse(Buffer.concat([present, removed])),
      'INVALID_ARGUMENT',
      'event',
      'present and removed',
    );
    refuses(() => volumes.watchVolumes.decodeResponse(raw('WatchVolumesResponse', { revision: '5' })), 'INVALID_ARGUMENT', 'event');
    refuses(
      () => volumes.createVolumes.decodeResponse(raw('CreateVolumesResponse', { results: [{ index: 1 }] })),
      'INVALID_ARGUMENT',
      'results.outcome',
    );
    const both = raw('CreateVolumesResponse', { results: [{ index: 1, volume: { name: 'x' }, refusal: { reason: 'INTERNAL' } }] });
    refuses(() => volumes.createVolumes.decodeResponse(both), 'INVALID_ARGUMENT', 'results.outcome');
    refuses(() => nodes.watchNodes.decodeResponse(raw('WatchNodesResponse', {})), 'INVALID_ARGUMENT', 'event');
  });

  it('refuses a bad volume of a batch alone', () => {
    const batch = raw('CreateVolumesRequest', { volumes: [{ name: 'good' }, { name: 'bad', accessMode: 77 }] });
    const [good, bad] = volumes.createVolumes.decodeRequest(batch);
    expect(good).to.deep.equal({ request: { name: 'good' } });
    expect(bad).to.have.nested.property('failure.reason', 'INVALID_ARGUMENT');
    expect(bad).to.have.nested.property('failure.fields.field', 'access_mode');
    refuses(() => volumes.createVolumes.decodeRequest(raw('CreateVolumesRequest', {})), 'INVALID_ARGUMENT', 'volumes');
  });

  it('refuses an answer that lacks what every server writes', () => {
    refuses(() => volumes.getVolume.decodeResponse(raw('GetVolumeResponse', {})), 'INVALID_ARGUMENT', 'volume');
    refuses(() => volumes.getVolume.decodeResponse(raw('GetVolumeResponse', { volume: {} })), 'INVALID_ARGUMENT', 'volume.name');
    refuses(() => nodes.planNodeLost.decodeResponse(raw('PlanNodeLostResponse', {})), 'INVALID_ARGUMENT', 'plan');
  });

  it('refuses bytes that are no message, and never throws anything but an AppError', () => {
    refuses(() => volumes.createVolume.decodeRequest(Buffer.from([0x0f])), 'INVALID_ARGUMENT', 'message');
    const everyDecoder = [...Object.values(volumes), ...Object.values(nodes)].flatMap((method) => [
      (bytes: Buffer): unknown => method.decodeRequest(bytes),
      (bytes: Buffer): unknown => method.decodeResponse(bytes),
    ]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(...everyDecoder), (bytes, decode) => {
        try {
          decode(Buffer.from(bytes));
        } catch (error) {
          expect(error).to.be.instanceOf(AppError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

function refuses(decode: () => unknown, reason: Reason, field: string, ...texts: readonly string[]): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.failure).to.deep.include({ reason });
    expect(error.failure.fields['field']).to.equal(field);
    for (const text of texts) expect(error.message).to.include(text);
    return;
  }
  expect.fail(`${field} was not refused`);
}
