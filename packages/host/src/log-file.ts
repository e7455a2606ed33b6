import { open } from 'node:fs/promises';

/** A file that only grows. */
export interface LogFile {
  /** Durable when it resolves. After a rejection nothing is known about what the file holds at its end. */
  append(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the file at `path`, cuts it to `sizeBytes` and makes that durable: what a former process wrote and did not sync
 * was read already, and must not vanish in a later power failure.
 *
 * @throws Node's own error
 */
export async function openLogFile(path: string, sizeBytes: number): Promise<LogFile> {
  const file = await open(path, 'r+');
  try {
    await file.truncate(sizeBytes);
    await file.sync();
  } catch (error) {
    await file.close();
    throw error;
  }
  let position = sizeBytes;
  return {
    async append(bytes) {
      let written = 0;
      while (written < bytes.length) {
        // A full disk takes a part and refuses the rest.
        const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position);
        written += bytesWritten;
        position += bytesWritten;
      }
      await file.datasync();
    },
    close: () => file.close(),
  };
}
