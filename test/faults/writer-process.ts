import { open, stat, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { sleep, systemClock } from '@volplane/base';
import { bootMs } from '@volplane/host';
import { RECORD_BYTES, RECORDS_FILE, type Place, type StartOrder, type WriterLine, type WriterOrder } from './writer-lines.js';

/**
 * The containers of one node, as one process: appends numbered, epoch-stamped records through mounts, each write acknowledged only when it is
 * on the storage (O_SYNC), as orders on its standard input say. It knows nothing of Volplane, and nobody tells it that its mount has gone.
 */
const stopped = new Set<string>();
const PAUSE_MS = 25;

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as WriterOrder; // written by WriterHost
  if (order.order === 'stop') stopped.add(order.writer);
  else
    write(order).then(
      () => {
        say({ writer: order.head.writer, ended: 'stopped' });
      },
      (error: unknown) => {
        say({ writer: order.head.writer, ended: endOf(error) });
      },
    );
}

async function write({ head, place }: StartOrder): Promise<void> {
  const storage = 'url' in place ? remoteStorage(place.url, head.epoch) : await mountedStorage(place);
  try {
    for (let number = 1; !stopped.has(head.writer); number += 1) {
      const record = `${JSON.stringify({ ...head, number }).padEnd(RECORD_BYTES - 1)}\n`;
      const startMs = bootMs();
      // One after the other: a record is begun when the one before is on the storage.
      await storage.append(record);
      say({ writer: head.writer, acked: number, startMs, endMs: bootMs() });
      await sleep(systemClock, PAUSE_MS);
    }
    await storage.confirm();
  } finally {
    await storage.close();
  }
}

interface Storage {
  append(record: string): Promise<void>;
  /** Fails when the mount was cut off since the last record: told to stop, the writer would not see it otherwise. */
  confirm(): Promise<void>;
  close(): Promise<void>;
}

async function mountedStorage({ folder, isMount }: Extract<Place, { readonly folder: string }>): Promise<Storage> {
  const file = await open(join(folder, RECORDS_FILE), constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_SYNC);
  if (isMount) await checkMounted(file, folder);
  return {
    append: async (record) => {
      const { bytesWritten } = await file.write(record);
      if (bytesWritten !== RECORD_BYTES) throw new Error(`wrote ${String(bytesWritten)} bytes of a record`);
    },
    confirm: () => file.sync(),
    close: () => file.close(),
  };
}

/** A storage that is shown the epoch with every write. */
function remoteStorage(url: string, epoch: number): Storage {
  return {
    append: async (record) => {
      const response = await fetch(url, { method: 'POST', body: record, headers: { 'x-epoch': String(epoch) } });
      if (!response.ok) throw new Error(await response.text());
    },
    confirm: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** A mount that is gone by now leaves the folder below it, which is no volume; an engine binds the mount, and has not this gap. */
async function checkMounted(file: FileHandle, folder: string): Promise<void> {
  const [own, around] = await Promise.all([file.stat(), stat(dirname(folder))]);
  if (own.dev === around.dev) throw new Error('not mounted any more');
}

function endOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}

function say(line: WriterLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
