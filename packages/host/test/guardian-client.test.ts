import { writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@volplane/base';
import { gate, makeTestFolder, ManualClock, waitFor, type Gate, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { socketPath } from '../src/guardian/guardian-server.js';
import { GuardianClient, GuardianServer } from '../src/index.js';

/** The connection of an agent to its guardian; the guardian here is a server in this process. */
describe('guardian client', () => {
  let folder: TestFolder;
  let clock: ManualClock;
  let started: Gate[];
  let stop: AbortController;
  let running: Promise<void>;
  let client: GuardianClient;

  beforeEach(async () => {
    folder = await makeTestFolder();
    clock = new ManualClock();
    started = [];
    stop = new AbortController();
    client = new GuardianClient({
      folder: folder.path,
      clock,
      log: silentLogger,
      spawn: () => {
        const ended = gate();
        started.push(ended);
        return ended.opened;
      },
    });
    running = client.run(stop.signal);
    await nextTries(1);
  });

  afterEach(async () => {
    stop.abort();
    await running;
    await folder.remove();
  });

  /** Lets the client try to connect so many times more. */
  async function nextTries(count: number): Promise<void> {
    for (let tries = 0; tries < count; tries += 1) {
      await waitFor(() => clock.waiting > 0, { what: 'the client to wait for its next try' });
      await clock.advance(1_000);
    }
    await waitFor(() => clock.waiting > 0, { what: 'the client to wait for its next try' });
  }

  function serve(): Promise<GuardianServer> {
    return GuardianServer.open({
      folder: folder.path,
      clock: systemClock,
      now: () => systemClock.monotonicMs(),
      abort: () => Promise.resolve(),
      isMounted: () => Promise.resolve(false),
      log: silentLogger,
    });
  }

  it('starts one guardian at a time, however long it takes to listen', async () => {
    await nextTries(10);
    expect(started).to.have.length(1);
    const server = await serve();
    try {
      await clock.advance(1_000);
      await waitFor(() => client.alive, { what: 'the client to be connected' });
      expect(started).to.have.length(1);
    } finally {
      await server.close();
    }
  });

  for (const [what, content] of [
    ['is empty', ''],
    ['holds zeros', '\0'.repeat(100)],
    ['holds something else', '{}'],
  ] as const) {
    it(`finds a guardian whose list the end of the machine has torn: it ${what}`, async () => {
      await writeFile(join(folder.path, 'armed.json'), content);
      const server = await serve();
      try {
        await clock.advance(1_000);
        await waitFor(() => client.alive, { what: 'the client to be connected' });
        expect(await client.list()).to.deep.equal([]);
      } finally {
        await server.close();
      }
    });
  }

  it('outlives a guardian that is killed before it has read what it was told', async () => {
    const killed = gate();
    // It reads nothing, and its end resets the connection.
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      killed.opened.then(() => socket.destroy()).catch(() => undefined);
    });
    await new Promise<void>((resolve) => server.listen(socketPath(folder.path), resolve));
    try {
      await clock.advance(1_000);
      await waitFor(() => client.alive, { what: 'the client to be connected' });
      client.extend(1);
      killed.open();
      await waitFor(() => !client.alive, { what: 'the client to notice' });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('leaves a guardian alive when it is killed before it has read the answer', async () => {
    const server = await serve();
    try {
      await clock.advance(1_000);
      await waitFor(() => client.alive, { what: 'the client to be connected' });
      const other = createConnection(socketPath(folder.path)).pause();
      await new Promise<void>((resolve) => other.once('connect', resolve));
      other.write(`${JSON.stringify({ id: 1, call: { type: 'list' } })}\n`);
      // Answers come in the order of the questions, one connection after the other in turn.
      for (let question = 0; question < 5; question += 1) await client.list();
      await new Promise((resolve) => other.once('close', resolve).destroy());
      expect(await client.list()).to.deep.equal([]);
      expect(client.alive).to.equal(true);
    } finally {
      await server.close();
    }
  });

  it('starts another when the one that it started has ended', async () => {
    started[0]?.open();
    await nextTries(2);
    expect(started).to.have.length(2);
  });

  it('starts another beside one that lives and never listens', async () => {
    await nextTries(40);
    expect(started).to.have.length(2);
  });
});
