import { createHash } from 'node:crypto';

/** The SHA-256 of a text as UTF-8: 64 hexadecimal characters. Equal digests mean equal texts. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
