import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ManualClock } from '@volplane/testkit';
import { expect } from 'chai';
import { StderrLines } from '../src/stderr-lines.js';

const exec = promisify(execFile);

describe('standard error whose reader is behind', () => {
  it('loses no line when the process exits', async () => {
    const child = spawn(process.execPath, [...process.execArgv, PROCESS, '2000'], { stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    // Only now somebody reads; it has been told to exit by then, or is about to.
    const lines = (await text(child.stderr)).split('\n').filter((line) => line !== '');
    expect(await exited).to.deep.equal([3, null]);
    expect(lines).to.have.length(2000);
    for (const [index, line] of lines.entries()) expect(JSON.parse(line)).to.include({ message: 'said', line: index + 1 });
  });

  it('keeps no process from its end when nobody reads at all', async () => {
    const child = spawn(process.execPath, [...process.execArgv, PROCESS, '2000'], { stdio: ['ignore', 'ignore', 'pipe'] });
    expect(await once(child, 'exit')).to.deep.equal([3, null]);
    child.stderr.destroy();
  });

  it('ends no process when it is closed', async () => {
    const child = spawn(process.execPath, [...process.execArgv, PROCESS, '2000'], { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.destroy();
    expect(await once(child, 'exit')).to.deep.equal([3, null]);
  });

  describe('in one process', () => {
    let folder: string;
    let fd: number;
    let clock: ManualClock;
    let lost: number[];
    let lines: StderrLines;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'volplane-'));
      const path = join(folder, 'pipe');
      await exec('mkfifo', [path]);
      fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
      clock = new ManualClock();
      lost = [];
      lines = new StderrLines({ fd, clock, waitingBytesMax: 100_000 });
      lines.onLost = (count) => lost.push(count);
    });

    afterEach(() => {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    });

    /** What is in the pipe now. */
    function read(): string {
      const buffer = Buffer.alloc(1 << 20);
      try {
        return buffer.toString('utf8', 0, readSync(fd, buffer));
      } catch {
        // Nothing is in it.
        return '';
      }
    }

    async function readAll(): Promise<string> {
      let all = '';
      for (let more = read(); more !== ''; more = read()) {
        all += more;
        await clock.advance(1_000);
      }
      return all;
    }

    it('is given every line in its order, once it is read again', async () => {
      const said = Array.from({ length: 1_500 }, (_, index) => `line ${String(index)} ${'ü'.repeat(40)}\n`);
      for (const line of said) lines.write(line);
      expect(await readAll()).to.equal(said.join(''));
      expect(lost).to.deep.equal([]);
      lines.write('later\n');
      expect(read()).to.equal('later\n');
    });

    it('costs a bounded memory; how many lines were lost is told once it is read again', async () => {
      const line = `${'x'.repeat(999)}\n`;
      for (let count = 0; count < 1_000; count += 1) lines.write(line);
      const all = await readAll();
      expect(all.length % line.length).to.equal(0);
      expect(lost).to.deep.equal([1_000 - all.length / line.length]);
      expect(all.length).to.be.within(100_000, 200_000);
    });
  });
});

const PROCESS = fileURLToPath(new URL('stderr-process.ts', import.meta.url));
