import { expect } from 'chai';
import { decideCordon, decideDeclareLost } from '../src/index.js';
import { node, nodeDocument, nodeUid, NOW, sessionAbsent, threeNodes } from './world.js';

describe('decideCordon', () => {
  it('changes the mark, and nothing when it is there', () => {
    const decision = decideCordon(nodeDocument('n1'), 'n1', true);
    expect(decision).to.deep.include({ type: 'commit', document: nodeDocument('n1', { cordoned: true }), requirements: [] });
    expect(decideCordon(nodeDocument('n1'), 'n1', false).type).to.equal('unchanged');
    expect(decideCordon(undefined, 'n1', true)).to.deep.include({ type: 'refuse' });
  });
});

describe('decideDeclareLost', () => {
  const request = { node: node('n1'), nodeUid: nodeUid('n1'), note: 'ann: burnt' };

  it('records the word, compared with the absent session', () => {
    const decision = decideDeclareLost(nodeDocument('n1'), request, threeNodes({ gone: ['n1'] }));
    expect(decision).to.deep.include({ type: 'commit', requirements: [sessionAbsent('n1')] });
    expect(decision.type === 'commit' ? decision.document?.lost : undefined).to.deep.equal({ at: NOW, by: 'ann: burnt' });
  });

  it('is refused while the node has a session, and about another machine than the one of the plan', () => {
    const refusal = (...given: Parameters<typeof decideDeclareLost>): string => {
      const decision = decideDeclareLost(...given);
      return decision.type === 'refuse' ? decision.failure.reason : decision.type;
    };
    expect(refusal(nodeDocument('n1'), request, threeNodes())).to.equal('NODE_ALIVE');
    const gone = threeNodes({ gone: ['n1'] });
    expect(refusal(nodeDocument('n1', { uid: nodeUid('new') }), request, gone)).to.equal('PLAN_STALE');
    expect(refusal(undefined, request, gone)).to.equal('PLAN_STALE');
    expect(refusal(nodeDocument('n1', { lost: { at: '', by: 'bob' } }), request, gone)).to.equal('unchanged');
  });
});
