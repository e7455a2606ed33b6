import { AppError, toFailure, type Failure, type Logger, type Random } from '@volplane/base';
import type { StatusCodec } from '@volplane/wire';
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { DETAILS_KEY, retryDelayMsOf, statusOf } from '../status-map.js';
import { statusText } from '../status-text.js';

/** Turns whatever a call failed with into what its caller may see. What is a fault of ours is logged here, and only here. */
export class Refusals {
  readonly #codec: StatusCodec;
  readonly #log: Logger;
  readonly #random: Random;

  constructor(options: { readonly codec: StatusCodec; readonly log: Logger; readonly random: Random }) {
    this.#codec = options.codec;
    this.#log = options.log;
    this.#random = options.random;
  }

  /** Never throws. */
  toStatus(error: unknown, path: string): StatusObject {
    const failure = this.toFailure(error, path);
    const code = statusOf(failure);
    const retryDelayMs = retryDelayMsOf(failure);
    const metadata = new Metadata();
    metadata.set(DETAILS_KEY, this.#codec.encode(retryDelayMs === undefined ? { code, failure } : { code, failure, retryDelayMs }));
    return { code, details: failure.message, metadata };
  }

  /** The failure as the caller sees it: bounded, and a fault of ours as an id that the log knows. */
  toFailure(error: unknown, path: string): Failure {
    if (error instanceof AppError) return bounded(error.failure);
    const logId = this.#random.hex(LOG_ID_LENGTH);
    this.#log.error('call failed by a fault', { path, logId, error });
    const failure = toFailure(error);
    return { ...failure, message: `${failure.message} under ${logId}`, fields: { logId } };
  }
}

const LOG_ID_LENGTH = 12;

/**
 * With the message and what a status has beside them within {@link STATUS_BYTES_MAX}, base64 included. Each field takes some bytes of
 * its own.
 */
const FIELDS_BYTES_MAX = 2_048;
const FIELD_BYTES = 8;

function bounded(failure: Failure): Failure {
  const { reason, message, fields } = failure;
  const shownMessage = statusText(message);
  let leftBytes = FIELDS_BYTES_MAX;
  for (const key in fields) leftBytes -= Buffer.byteLength(key) + Buffer.byteLength(fields[key] ?? '') + FIELD_BYTES;
  if (shownMessage === message && leftBytes >= 0) return failure;
  return { reason, message: shownMessage, fields: leftBytes >= 0 ? fields : fewerFields(fields) };
}

function fewerFields(fields: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = { truncated: 'true' };
  let leftBytes = FIELDS_BYTES_MAX - TRUNCATED_BYTES;
  for (const [key, value] of Object.entries(fields)) {
    leftBytes -= Buffer.byteLength(key) + FIELD_BYTES;
    if (leftBytes <= 0) break;
    kept[key] = clip(value, leftBytes);
    leftBytes -= Buffer.byteLength(value);
  }
  return kept;
}

const TRUNCATED_BYTES = Buffer.byteLength('truncated' + 'true') + FIELD_BYTES;

function clip(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= bytesMax) return text;
  // The cut may fall inside a character: what is left of it is dropped.
  return (
    bytes
      .subarray(0, Math.max(0, bytesMax - ELLIPSIS_BYTES))
      .toString()
      .replace(/\ufffd$/, '') + '…'
  );
}

const ELLIPSIS_BYTES = 3;
