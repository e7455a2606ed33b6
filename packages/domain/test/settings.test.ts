import { expect } from 'chai';
import { decideSettings, LIMITS, type SettingsChange, type VolumeDocument } from '../src/index.js';
import { attachedOn, committed, driver, nodeDocument, refused, spec, threeNodes, viewOf, volume } from './world.js';

const decide = (
  document: VolumeDocument | undefined,
  change: Partial<SettingsChange>,
  view = threeNodes(),
): ReturnType<typeof decideSettings> => decideSettings(document, 7, { name: 'data', set: {}, drop: [], ...change }, view);

describe('decideSettings', () => {
  it('sets and drops labels', () => {
    const { document } = committed(
      decide(volume({ spec: spec({ labels: { a: '1', b: '2' } }) }), { set: { c: '3', a: '4' }, drop: ['b'] }),
    );
    expect(document.spec.labels).to.deep.equal({ a: '4', c: '3' });
  });

  it('is refused when the volume changed since the expected generation', () => {
    expect(refused(decide(volume(), { expectedGeneration: 6 })).fields).to.include({ generation: '7' });
    expect(decide(volume(), { expectedGeneration: 7 }).type).to.equal('commit');
  });

  it('bounds the number of labels', () => {
    const set = Object.fromEntries(Array.from({ length: LIMITS.mapEntries + 1 }, (_, index) => [`k${String(index)}`, '']));
    expect(refused(decide(volume(), { set })).reason).to.equal('TOO_LARGE');
  });

  it('finds no volume', () => {
    expect(refused(decide(undefined, {})).reason).to.equal('VOLUME_NOT_FOUND');
  });

  describe('of the takeover policy', () => {
    const weak = viewOf({ nodes: [nodeDocument('n1', { drivers: [driver('fake', { takeover: ['manual'] })] })] });

    it('changes it when the driver can keep it', () => {
      expect(committed(decide(volume(), { takeover: 'lease' })).document.spec.takeover).to.equal('lease');
    });

    it('refuses one that the driver cannot keep, and then changes no label either', () => {
      const failure = refused(decide(volume(), { takeover: 'lease', set: { a: 'b' } }, weak));
      expect(failure).to.deep.include({ reason: 'INVALID_ARGUMENT' });
      expect(failure.fields).to.include({ field: 'takeover', driver: 'fake' });
    });

    it('takes manual from any driver, and keeps what is there without asking', () => {
      expect(decide(volume({ spec: spec({ takeover: 'storage' }) }), { takeover: 'manual' }, weak).type).to.equal('commit');
      expect(decide(volume({ spec: spec({ takeover: 'storage' }) }), { takeover: 'storage' }, weak).type).to.equal('commit');
    });

    it('says so when the owner does not offer the driver', () => {
      expect(refused(decide(volume(), { takeover: 'lease' }, viewOf({}))).reason).to.equal('NODE_LACKS_DRIVER');
    });

    it('does not change to or from lease under a mount, which is armed or not since it was made', () => {
      const manual = volume({ attachments: attachedOn('n1') });
      const lease = volume({ attachments: attachedOn('n1'), spec: spec({ takeover: 'lease' }) });
      expect(refused(decide(manual, { takeover: 'lease' })).reason).to.equal('VOLUME_ATTACHED');
      expect(refused(decide(lease, { takeover: 'manual' })).fields).to.include({ holder: 'n1' });
      expect(decide(manual, { takeover: 'storage' }).type).to.equal('commit');
    });
  });
});
