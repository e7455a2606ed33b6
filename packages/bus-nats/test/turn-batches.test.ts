import { systemClock, type Clock } from '@volplane/base';
import { expect } from 'chai';
import { encodePayload, FRAME_BYTES, ITEM_BYTES } from '../src/frames.js';
import { ITEMS_PER_MESSAGE_MAX, ITEMS_WAITING_MAX, TurnBatches } from '../src/turn-batches.js';

const ROOMY = 1_000_000;

describe('batches of one turn', () => {
  let ends: (() => void)[];
  let sent: string[];
  let batches: TurnBatches<ReturnType<typeof encodePayload>>;
  const endTurn = (): void => {
    for (const end of ends.splice(0)) end();
  };
  const add = (place: string, value: unknown, frameBytesMax = ROOMY): void => {
    batches.add(place, encodePayload(value), frameBytesMax);
  };

  beforeEach(() => {
    ends = [];
    sent = [];
    const clock: Clock = { ...systemClock, soon: (callback) => ends.push(callback) };
    batches = new TurnBatches(clock, (place, items) => sent.push(`${place} ${items.map(({ text }) => text).join(' ')}`));
  });

  it('go to each place when the turn ends, and the next turn has its own', () => {
    for (const value of [1, 2]) add('here', value);
    add('there', 3);
    expect([sent, batches.waiting, ends.length]).to.deep.equal([[], 3, 1]);
    endTurn();
    expect([sent, batches.waiting]).to.deep.equal([['here 1 2', 'there 3'], 0]);
    add('here', 4);
    endTurn();
    expect(sent.slice(2)).to.deep.equal(['here 4']);
  });

  it('go earlier when they are told to, and then not again', () => {
    add('here', 1);
    batches.flush();
    endTurn();
    expect(sent).to.deep.equal(['here 1']);
  });

  it('go at once when a message has as many items as it may', () => {
    for (let value = 0; value < ITEMS_PER_MESSAGE_MAX + 1; value += 1) add('here', value);
    expect([sent.length, batches.waiting]).to.deep.equal([1, 1]);
    endTurn();
    expect(sent.at(-1)).to.equal(`here ${String(ITEMS_PER_MESSAGE_MAX)}`);
  });

  it('are split where a message would have more bytes than it may', () => {
    const two = FRAME_BYTES + 2 * (ITEM_BYTES + 1);
    for (const value of [1, 2, 3]) add('here', value, two);
    expect(sent).to.deep.equal(['here 1 2']);
    for (const value of [4, 5]) add('here', value, two - 1);
    endTurn();
    expect(sent).to.deep.equal(['here 1 2', 'here 3', 'here 4', 'here 5']);
  });

  it('all go at once when too much waits in one turn', () => {
    for (let place = 0; place < ITEMS_WAITING_MAX - 1; place += 1) add(String(place), 0);
    expect(sent).to.deep.equal([]);
    add('the last', 0);
    expect([sent.length, batches.waiting]).to.deep.equal([ITEMS_WAITING_MAX, 0]);
  });
});
