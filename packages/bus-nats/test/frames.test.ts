import { expect } from 'chai';
import { answerFrame, encodePayload, FRAME_BYTES, ITEM_BYTES, parseRequestFrame, readAnswerFrame, requestFrame } from '../src/frames.js';

const VALUES: readonly unknown[] = [null, 0, '', 'größer – 大 "\\', [1, [2]], { deep: { list: [null, true] } }, '],[', {}];

describe('frames of the NATS bus', () => {
  it('carry requests with their ids', () => {
    const frame = requestFrame(41, VALUES.map(encodePayload)).toString();
    expect(parseRequestFrame(frame)).to.deep.equal({ firstId: 41, payloads: VALUES });
    expect(JSON.parse(frame)).to.deep.equal([41, ...VALUES]);
  });

  it('carry answers with their ids', () => {
    const answers = VALUES.map((value, index) => ({ ...encodePayload(value), id: index * 7 }));
    expect(read(answerFrame(answers).toString())).to.deep.equal(VALUES.map((value, index) => [index * 7, value]));
  });

  it('carry undefined as null, and refuse what JSON has no text for', () => {
    expect(encodePayload(undefined).text).to.equal('null');
    for (const value of [() => 1, Symbol('planted'), { toJSON: () => undefined }])
      expect(() => encodePayload(value)).to.throw('JSON value');
    expect(() => encodePayload(1n)).to.throw(TypeError);
  });

  it('are never larger than they are counted, whatever the ids', () => {
    for (const id of [1, Number.MAX_SAFE_INTEGER - VALUES.length]) {
      for (const values of [VALUES, VALUES.slice(0, 1)]) {
        const payloads = values.map(encodePayload);
        const counted = payloads.reduce((sum, { bytes }) => sum + bytes + ITEM_BYTES, FRAME_BYTES);
        expect(requestFrame(id, payloads).length).to.be.at.most(counted);
        expect(answerFrame(payloads.map((payload) => ({ ...payload, id }))).length).to.be.at.most(counted);
      }
    }
  });

  it('say nothing about answers without an end', () => {
    expect(read('[1,"whole",2]')).to.deep.equal([[1, 'whole']]);
    expect(read('[]')).to.deep.equal([]);
    for (const stray of ['{"half":', '"text"', 'null', '{"0":1}']) expect(() => read(stray), stray).to.throw();
  });
});

function read(frame: string): [unknown, unknown][] {
  const answers: [unknown, unknown][] = [];
  readAnswerFrame(frame, (id, payload) => answers.push([id, payload]));
  return answers;
}
