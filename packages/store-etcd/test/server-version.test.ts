import { expect } from 'chai';
import { tellsProgressInOrder } from '../src/server-version.js';

describe('server version', () => {
  const versions = {
    '3.4.23': false,
    '3.4.37': false,
    '3.5.0': false,
    '3.5.7': false,
    '3.5.8': true,
    '3.5.21': true,
    '3.6.0': true,
    '3.6.0-rc.1': true,
    '4.0.0': true,
    '': false,
  };
  for (const [version, inOrder] of Object.entries(versions)) {
    it(`${inOrder ? 'trusts' : 'does not trust'} the progress answers of ${version || 'an unknown one'}`, () => {
      expect(tellsProgressInOrder(version)).to.equal(inOrder);
    });
  }
});
