import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger, systemClock, systemRandom } from '@volplane/base';
import type { VolumeUid } from '@volplane/domain';
import { makeTestFolder, rejection, waitFor, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { readChild, readProcess } from '../src/programs/process-table.js';
import { encodeIntent, encodeLeader, MARK_VARIABLE, type ProgramRecord } from '../src/programs/program-record.js';
import { RunningPrograms } from '../src/programs/running-programs.js';
import { systemToolRunner } from '../src/tool-call.js';
import { LineProcess } from './guardian-processes.js';

const AGENT = fileURLToPath(new URL('program-process.ts', import.meta.url));
const [ONE, OTHER] = ['a', 'b'].map((letter) => letter.repeat(32)) as [VolumeUid, VolumeUid]; // 32 hexadecimal characters is what a uid is

/** What rule 18 of docs/ownership.md asks of an agent that comes back: nothing of its earlier life still acts on a volume. */
describe('programs that run for drivers', () => {
  let place: TestFolder;
  let folder: string;
  let children: ChildProcess[];
  let agents: LineProcess[];
  let lives: AbortController;

  beforeEach(async () => {
    place = await makeTestFolder();
    folder = join(place.path, 'programs');
    children = [];
    agents = [];
    lives = new AbortController();
  });

  afterEach(async () => {
    lives.abort();
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(agents.map((agent) => agent.kill()));
    for (const name of readdirSync(place.path).filter((each) => each.endsWith('.pid'))) endIfAlive(pidIn(name));
    await place.remove();
  });

  const open = async (kill?: (pid: number) => void): Promise<RunningPrograms> => {
    const programs = await RunningPrograms.open({
      folder,
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      ...(kill === undefined ? {} : { kill }),
    });
    programs.run(lives.signal).catch(() => undefined);
    return programs;
  };

  /** An agent that runs the script; it is there once `name.pid` is, and may be over by then. The script names itself by `me`. */
  const agentThatRuns = async (script: string, name = 'first'): Promise<LineProcess> => {
    const agent = new LineProcess(['--import=tsx', '--conditions=@volplane/source', AGENT, folder, `cd ${place.path}; ${script}`]);
    agents.push(agent);
    await waitFor(() => agent.ended || hasPid(name), { what: 'the program runs' });
    if (!hasPid(name)) throw new Error(`the agent ended: ${agent.lines.join(' | ')}`);
    return agent;
  };
  const me = (name: string): string => `echo $$ > ${name}.new; mv ${name}.new ${name}.pid`;
  const hasPid = (name: string): boolean => readdirSync(place.path).includes(`${name}.pid`);
  const pidIn = (name: string): number => Number(readFileSync(join(place.path, name.endsWith('.pid') ? name : `${name}.pid`), 'utf8'));
  const isAlive = async (name: string): Promise<boolean> => (await readProcess(pidIn(name))) !== undefined;
  /** Says that it is there and waits until something is written to `gate`. */
  const waits = `mkfifo gate; ${me('first')}; read line < gate`;

  const forgotten = (): Promise<unknown> =>
    waitFor(async () => (await readdir(folder)).length === 0, { what: 'the record to be forgotten' });

  /** A process that stands for a program, or for somebody else's. */
  const bystander = (env: Readonly<Record<string, string>> = {}): { readonly pid: number; readonly startTicks: number } => {
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: { PATH: process.env['PATH'], ...env } });
    children.push(child);
    const entry = child.pid === undefined ? undefined : readChild(child.pid);
    if (entry === undefined) throw new Error('sleep(1) was not started');
    return entry;
  };
  const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  /** The record of a program of an earlier life. */
  const remember = async (record: Partial<ProgramRecord> & { readonly id: string }): Promise<void> => {
    await mkdir(folder, { recursive: true });
    const intent = encodeIntent({ purpose: 'mount at /mnt/data', boot: bootId(), volumes: [ONE], ...record });
    await writeFile(join(folder, record.id), intent + (record.leader === undefined ? '' : encodeLeader(record.leader)));
  };

  describe('of an agent that was killed', () => {
    it('are ended before the next life goes on', async () => {
      const agent = await agentThatRuns(`${waits}; touch mounted`);
      await agent.kill();
      expect(await isAlive('first')).to.equal(true);
      await open();
      expect(await isAlive('first')).to.equal(false);
      expect(await readdir(folder)).to.deep.equal([]);
    });

    it('are ended with all that they started, also what has left their process group', async () => {
      const daemon = `setsid sh -c '${me('daemon')}; exec sleep 600' &`;
      const agent = await agentThatRuns(`${daemon} sh -c '${me('child')}; sleep 600' & ${me('first')}; wait`);
      await waitFor(() => hasPid('daemon') && hasPid('child'), { what: 'all of them to run' });
      await agent.kill();
      await open();
      expect(await Promise.all(['first', 'child', 'daemon'].map(isAlive))).to.deep.equal([false, false, false]);
    });

    it('leave what they started on purpose, when they finish before the next life looks', async () => {
      const daemon = `setsid sh -c '${me('daemon')}; exec sleep 600' > /dev/null 2>&1 &`;
      const agent = await agentThatRuns(`${waits}; ${daemon} exit 0`);
      await agent.kill();
      writeFileSync(join(place.path, 'gate'), 'go\n');
      await waitFor(async () => hasPid('daemon') && !(await isAlive('first')), { what: 'the program to finish' });
      await open();
      expect(await isAlive('daemon')).to.equal(true);
      expect(await readdir(folder)).to.deep.equal([]);
    });

    it('leave what they started on purpose, when they had finished before', async () => {
      const agent = await agentThatRuns(`${me('first')}; setsid sh -c '${me('daemon')}; exec sleep 600' > /dev/null 2>&1 & exit 0`);
      await agent.said('ended');
      await waitFor(() => hasPid('daemon'), { what: 'the daemon to run' });
      await forgotten();
      await agent.kill();
      await open();
      expect(await isAlive('daemon')).to.equal(true);
    });

    it('are found by their mark when the agent could not write down which process it was', async () => {
      const id = 'c'.repeat(32);
      const { pid } = bystander({ [MARK_VARIABLE]: id });
      await remember({ id });
      await open();
      expect(await readProcess(pid)).to.equal(undefined);
    });

    it('are not mistaken for a later process of the same number, nor for one of another start of the machine', async () => {
      const leader = bystander();
      await remember({ id: 'c'.repeat(32), leader: { ...leader, startTicks: leader.startTicks - 1 } });
      await remember({ id: 'd'.repeat(32), leader, boot: 'another' });
      await open();
      expect(await readProcess(leader.pid)).to.not.equal(undefined);
      expect(await readdir(folder)).to.deep.equal([]);
    });

    it('keep only their own volumes waiting when they cannot be ended, until they are gone', async () => {
      const leader = bystander();
      await remember({ id: 'c'.repeat(32), leader });
      const hung = (): void => undefined;
      let programs = await open(hung);
      // Another life later it still hangs, and is still known.
      programs = await open(hung);
      let told = 0;
      programs.onGone(() => (told += 1));
      expect(programs.leftFor(ONE)).to.contain(`mount at /mnt/data (process ${String(leader.pid)})`);
      expect(programs.leftFor(OTHER)).to.equal(undefined);
      process.kill(leader.pid, 'SIGKILL');
      await waitFor(() => programs.leftFor(ONE) === undefined && told === 1, { what: 'the volume to go on' });
      await forgotten();
    });

    it('keep every volume waiting when nobody knows whose they are', async () => {
      const leader = bystander();
      await mkdir(folder);
      await writeFile(join(folder, 'c'.repeat(32)), `\n${encodeLeader(leader)}`);
      const programs = await open(() => undefined);
      expect(programs.leftFor(ONE)).to.contain('cannot be ended');
      expect(programs.leftFor(OTHER)).to.contain('cannot be ended');
    });
  });

  describe('of an agent that lives', () => {
    const call = { file: 'sh', timeoutMs: 60_000, purpose: 'test' };

    it('are known to the disk while they run, with the volumes that they may work for', async () => {
      const programs = await open();
      const ends = [ONE, OTHER].map((uid) => programs.begin(uid));
      const run = systemToolRunner(systemClock, { programs });
      const script = `cat ${folder}/*`;
      const volumesFor = async (...args: string[]): Promise<unknown> => {
        const [line = ''] = (await run({ ...call, args: ['-c', script, ...args] })).stdout.split('\n');
        return (JSON.parse(line) as { volumes: unknown }).volumes; // the intent
      };
      expect(await volumesFor()).to.deep.equal([ONE, OTHER]);
      expect(await volumesFor('--', `/mnt/${OTHER}`)).to.deep.equal([OTHER]);
      for (const end of ends) end();
      expect(await volumesFor()).to.deep.equal([]);
      await forgotten();
    });

    it('are not started when they cannot be written down', async () => {
      const run = systemToolRunner(systemClock, { programs: await open() });
      await rm(folder, { recursive: true });
      const error = await rejection(run({ ...call, args: ['-c', `echo started > ${place.path}/started`] }));
      expect(error).to.have.property('reason', 'DRIVER_UNAVAILABLE');
      expect(await readdir(place.path)).to.not.include('started');
    });

    it('are forgotten when they cannot be started', async () => {
      const run = systemToolRunner(systemClock, { programs: await open() });
      expect((await rejection(run({ ...call, file: 'volplane-no-such-tool', args: [] }))).reason).to.equal('DRIVER_UNAVAILABLE');
      await forgotten();
    });

    it('are ended at the bound of their call, with what has left their group', async () => {
      const programs = await open();
      const run = systemToolRunner(systemClock, { programs });
      const controller = new AbortController();
      const script = `cd ${place.path}; setsid sh -c '${me('daemon')}; exec sleep 600' & ${me('first')}; wait`;
      const refused = rejection(run({ ...call, args: ['-c', script], signal: controller.signal }));
      await waitFor(() => hasPid('first') && hasPid('daemon'), { what: 'the program to run' });
      controller.abort();
      expect((await refused).failure.fields['ended']).to.equal('yes');
      expect(await Promise.all(['first', 'daemon'].map(isAlive))).to.deep.equal([false, false]);
      await forgotten();
    });

    it('keep their volume waiting when they hang beyond their call; mere looks keep nobody', async () => {
      const programs = await open(() => undefined);
      programs.begin(ONE);
      const run = systemToolRunner(systemClock, { programs });
      const hang = async (name: string, volumes?: readonly VolumeUid[]): Promise<void> => {
        const controller = new AbortController();
        const args = ['-c', `cd ${place.path}; ${me(name)}; exec sleep 600`];
        const refused = rejection(run({ ...call, args, signal: controller.signal, ...(volumes === undefined ? {} : { volumes }) }));
        await waitFor(() => hasPid(name), { what: 'the program to run' });
        controller.abort();
        expect((await refused).failure.fields['ended']).to.equal('no');
      };
      await hang('look', []);
      expect(programs.leftFor(ONE)).to.equal(undefined);
      await hang('first');
      expect(programs.leftFor(ONE)).to.contain('cannot be ended');
      endIfAlive(pidIn('first'));
      await waitFor(() => programs.leftFor(ONE) === undefined, { what: 'the volume to go on' });
      expect(await readFile(join(place.path, 'first.pid'), 'utf8')).to.match(/^\d+\n$/);
    });
  });
});

function endIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
