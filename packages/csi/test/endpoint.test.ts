import { expect } from 'chai';
import { parseEndpoint } from '../src/endpoint.js';

describe('CSI_ENDPOINT', () => {
  const spellings = {
    'unix:///run/csi/csi.sock': '/run/csi/csi.sock',
    'unix:/run/csi/csi.sock': '/run/csi/csi.sock',
    'unix://run/csi/csi.sock': '/run/csi/csi.sock',
    '/run/docker/plugins/csi.sock': '/run/docker/plugins/csi.sock',
    'UNIX:///csi/csi.sock': '/csi/csi.sock',
    ' unix:////csi//csi.sock\n': '/csi/csi.sock',
  };
  for (const [spelling, path] of Object.entries(spellings)) {
    it(`${JSON.stringify(spelling)} is ${path}`, () => {
      expect(parseEndpoint(spelling)).to.equal(path);
    });
  }

  for (const endpoint of ['', 'csi.sock', 'tcp://127.0.0.1:9000', 'dns:///host:1', 'unix://', 'unix:', '/run/csi/', 'unix:@abstract']) {
    it(`${JSON.stringify(endpoint)} is refused with what to write instead`, () => {
      expect(() => parseEndpoint(endpoint)).to.throw('write unix:///run/csi/csi.sock');
    });
  }

  it('of 107 bytes is served, of 108 refused: longer paths would be cut off without a word', () => {
    expect(parseEndpoint(`/${'d'.repeat(106)}`)).to.have.length(107);
    expect(() => parseEndpoint(`/${'d'.repeat(107)}`)).to.throw('has 108 bytes, and a socket path has at most 107');
  });
});
