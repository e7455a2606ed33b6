import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { encodeChanges, encodeHeader, encodeRecord, encodeSnapshot, parseJournal } from '../src/journal-format.js';

/** Files written by hand: a snapshot of one record, then batches. Method: damage one, and see what a reader makes of it. */
describe('journal format', () => {
  const put = (key: string, value: number): string => encodeChanges([[key, JSON.stringify(value)]]);
  const HEADER = encodeHeader(1);
  const LINES = [
    encodeRecord(1, 1, put('snapshot', 1)),
    encodeRecord(2, 2, put('a', 2)),
    encodeRecord(3, 3, put('b', 3)),
    encodeRecord(4, 3, put('c', 4)),
    encodeRecord(5, 3, put('d', 5)),
  ];

  const parse = (...parts: readonly string[]): ReturnType<typeof parseJournal> => parseJournal(Buffer.from(parts.join('')), '/the/journal');
  const intact = (json: string): string => `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
  const broken = (line: string): string => line.replace('{', '[');
  const keys = ({ records }: ReturnType<typeof parseJournal>): string[] => records.flatMap(({ puts }) => Object.keys(puts));
  const expectDamaged = (text: string, ...parts: readonly string[]): void => {
    expect(() => parse(...parts))
      .to.throw(text)
      .with.property('reason', 'DOCUMENT_INVALID');
  };

  it('reads what it wrote', () => {
    const parsed = parse(HEADER, ...LINES);
    expect(keys(parsed)).to.deep.equal(['snapshot', 'a', 'b', 'c', 'd']);
    expect(parsed.seq).to.equal(5);
    expect(parsed.goodBytes).to.equal(Buffer.byteLength(HEADER + LINES.join('')));
    expect(parsed.snapshotBytes).to.equal(Buffer.byteLength(HEADER + (LINES[0] ?? '')));
  });

  it('reads a snapshot of many keys as the state that was written', () => {
    const state = new Map(Array.from({ length: 1_000 }, (_, number) => [`key/${String(number)}`, { number, text: 'ä\n' }]));
    const { text, seq } = encodeSnapshot([...state].map(([key, value]) => [key, JSON.stringify(value)]));
    const parsed = parse(text);
    expect(new Map(parsed.records.flatMap(({ puts }) => Object.entries(puts)))).to.deep.equal(state);
    expect(parsed.seq).to.equal(seq);
    expect(parsed.snapshotBytes).to.equal(parsed.goodBytes);
    expect(keys(parse(text, encodeRecord(seq + 1, seq + 1, put('next', 1)))).at(-1)).to.equal('next');
  });

  it('drops a last batch torn at any byte, and keeps what is before it', () => {
    const before = HEADER + LINES.slice(0, 2).join('');
    const last = Buffer.from(before + LINES.slice(2).join(''));
    for (let length = Buffer.byteLength(before); length < last.length; length += 1) {
      const parsed = parseJournal(last.subarray(0, length), '/the/journal');
      expect(keys(parsed).slice(0, 2), `cut to ${String(length)} bytes`).to.deep.equal(['snapshot', 'a']);
      expect(keys(parsed)).to.have.length.below(5);
      expect(parsed.goodBytes).to.be.at.most(length);
    }
  });

  it('drops a last batch with holes, whatever of it is readable', () => {
    const [snapshot = '', a = '', b = '', c = '', d = ''] = LINES;
    expect(keys(parse(HEADER, snapshot, a, broken(b), c, d))).to.deep.equal(['snapshot', 'a']);
    expect(keys(parse(HEADER, snapshot, a, b, broken(c), d))).to.deep.equal(['snapshot', 'a', 'b']);
    expect(keys(parse(HEADER, snapshot, a, '\0'.repeat(4_096), d))).to.deep.equal(['snapshot', 'a']);
    expect(keys(parse(HEADER, ...LINES, '\0'.repeat(4_096)))).to.have.length(5);
  });

  it('refuses a loss in front of a later batch', () => {
    const [snapshot = '', a = '', b = '', c = '', d = ''] = LINES;
    expectDamaged('record 2 is unreadable', HEADER, snapshot, broken(a), b, c, d);
    expectDamaged('record 2 is unreadable', HEADER, snapshot, b, c, d);
    expectDamaged('record 5 is unreadable', HEADER, snapshot, a, b, c, broken(d), encodeRecord(6, 6, put('e', 6)));
    expectDamaged('record 3 is unreadable', HEADER, snapshot, a, broken(b), c, broken(d), encodeRecord(6, 6, put('e', 6)));
  });

  it('refuses a snapshot that is not whole, which no crash leaves', () => {
    expectDamaged('snapshot of 1 records is not whole', HEADER);
    expectDamaged('snapshot of 1 records is not whole', HEADER, broken(LINES[0] ?? ''));
    expectDamaged('snapshot of 2 records is not whole', encodeHeader(2), LINES[0] ?? '');
  });

  it('refuses a file without a header, of another version, or of another kind', () => {
    expectDamaged('first line is unreadable', '');
    expectDamaged('first line is unreadable', broken(HEADER), ...LINES);
    expectDamaged('first line is no header', ...LINES);
    for (const json of ['null', '1', '[]', '{"version":1}', '{"snapshotRecords":0}', '{"version":1,"snapshotRecords":"0"}']) {
      expectDamaged('first line is no header', intact(json));
    }
    expectDamaged('format 2', intact('{"format":"volplane journal","version":2,"snapshotRecords":0}'));
  });

  it('refuses what is intact and yet no record', () => {
    expectDamaged('unknown form', HEADER, HEADER);
    for (const json of ['null', '[]', '["1",1,{},[]]', '[1,"1",{},[]]', '[1,1,null,[]]', '[1,1,"",[]]', '[1,1,{},{}]', '[1,1,{}]']) {
      expectDamaged('unknown form', HEADER, intact(json));
    }
  });

  it('names the file and the line', () => {
    expect(() => parse(HEADER, ...LINES.slice(0, 1), ...LINES.slice(2)))
      .to.throw()
      .with.property('failure')
      .that.deep.includes({ fields: { path: '/the/journal', line: '3' } });
  });
});
