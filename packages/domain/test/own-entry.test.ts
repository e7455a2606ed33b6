import { expect } from 'chai';
import { decideClaim, decideForceRelease, decideRelease, describeChange, identityDifference, placeVolume } from '../src/index.js';
import { claim, committed, node, nodeDocument, nodeUid, sessionDocument, sessionId, spec, viewOf, volume, volumeUid } from './world.js';

/** The name of something that every object has although nobody put it there. */
const NAME = 'constructor';

describe('a name that every object knows', () => {
  const view = viewOf({ nodes: [nodeDocument(NAME)], sessions: [sessionDocument(NAME, 7)] });

  it('may be that of a node: nothing is held by it before it claims', () => {
    const granted = committed(
      decideClaim(volume({ owner: node(NAME), ownerUid: nodeUid(NAME) }), claim(NAME, { session: sessionId(7) }), 'data', view),
    );
    expect(granted.document?.evidence).to.deep.equal([]);
    expect(granted.requirements).to.deep.equal([{ type: 'session-present', node: NAME, session: '7' }]);
    const release = { node: node(NAME), nodeUid: nodeUid(NAME), uid: volumeUid('data'), seq: 9, detail: '' };
    expect(decideRelease(volume(), release, view).type).to.equal('unchanged');
    expect(decideForceRelease(volume(), { name: 'data', node: node(NAME), note: 'gone' }, view).type).to.equal('unchanged');
  });

  it('may be that of an option, a label or a snapshot', () => {
    expect(identityDifference(spec(), spec({ options: { [NAME]: 'x' } }))).to.deep.equal(['option constructor is not set, asked for "x"']);
    const request = { driver: spec().driver, topology: { [NAME]: 'x' }, needsSize: false, needsClone: false };
    const { verdicts } = placeVolume(request, [{ node: nodeDocument('n1'), session: sessionId(1), owned: 0 }]);
    expect(verdicts[0]?.reason).to.equal('label constructor is not set, asked for x');
    const other = { createdAt: '', sizeBytes: 1, ready: true };
    const after = volume({ snapshots: { first: other, [NAME]: other } });
    expect(describeChange(volume({ snapshots: { first: other } }), after)).to.equal('snapshot constructor was made');
  });
});
