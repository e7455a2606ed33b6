import { silentLogger, systemClock, type Clock } from '@volplane/base';
import { expect } from 'chai';
import { encodePayload } from '../src/frames.js';
import { OutgoingAnswers } from '../src/outgoing-answers.js';

/** The wire is a list; turns end when the test says so. */
describe('answers that travel together', () => {
  let sent: string[];
  let ends: (() => void)[];
  let answers: OutgoingAnswers;

  beforeEach(() => {
    sent = [];
    ends = [];
    const clock: Clock = { ...systemClock, soon: (callback) => ends.push(callback) };
    const publish = (replyTo: string, frame: Buffer): undefined => void sent.push(`${replyTo} ${frame.toString()}`);
    answers = new OutgoingAnswers({ clock, log: silentLogger, publish });
  });

  const answered = (...replies: readonly (readonly [replyTo: string, id: number])[]): readonly string[] => {
    for (const [replyTo, id] of replies) answers.add({ ...encodePayload('x'), replyTo, id }, 1_000_000);
    for (const end of ends.splice(0)) end();
    return sent;
  };

  it('go to one inbox in one message, whichever message asked', () => {
    expect(answered(['_INBOX.a.1', 1], ['_INBOX.b.1', 1], ['_INBOX.a.7', 9])).to.deep.equal([
      '_INBOX.a.7 [1,"x",9,"x"]',
      '_INBOX.b.1 [1,"x"]',
    ]);
  });

  it('go each to its own stranger, who has an inbox for each request', () => {
    expect(answered(['_INBOX.a', 1], ['_INBOX.b', 1], ['c', 1], ['d', 1])).to.deep.equal([
      '_INBOX.a [1,"x"]',
      '_INBOX.b [1,"x"]',
      'c [1,"x"]',
      'd [1,"x"]',
    ]);
  });
});
