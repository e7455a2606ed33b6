import { assert } from '@volplane/base';

/**
 * What one NATS message of ours holds, as JSON:
 *
 *     requests  [firstId, payload, payload, …]       their ids: firstId, firstId + 1, …
 *     answers   [id, payload, id, payload, …]
 *
 * Frames are joined from payloads that are text already, so that each payload is encoded once and a frame is parsed once.
 */
export interface RequestFrame {
  readonly firstId: number;
  readonly payloads: readonly unknown[];
}

/** One payload as JSON, and what it takes up in UTF-8. */
export interface EncodedPayload {
  readonly text: string;
  readonly bytes: number;
}

export interface EncodedAnswer extends EncodedPayload {
  readonly id: number;
}

/** The brackets of a frame. */
export const FRAME_BYTES = 2;

/** What a frame has beside each payload at most: two commas and an id of 16 digits. */
export const ITEM_BYTES = 18;

/** Text that can stand in a frame. @throws Error for what JSON has no text for, like a cycle or a function: it would spoil the frame */
export function encodePayload(payload: unknown): EncodedPayload {
  // The library's type says that there is always text.
  const text: unknown = JSON.stringify(payload ?? null);
  assert(typeof text === 'string', 'a payload is a JSON value');
  return { text, bytes: Buffer.byteLength(text) };
}

export function requestFrame(firstId: number, payloads: readonly EncodedPayload[]): Buffer {
  let frame = `[${String(firstId)}`;
  for (const { text } of payloads) frame += `,${text}`;
  return Buffer.from(`${frame}]`);
}

export function answerFrame(answers: readonly EncodedAnswer[]): Buffer {
  let frame = '';
  for (const { id, text } of answers) frame += `${frame === '' ? '[' : ','}${String(id)},${text}`;
  return Buffer.from(`${frame}]`);
}

/** Undefined for what no process of ours sends. @throws SyntaxError for what is no JSON */
export function parseRequestFrame(text: string): RequestFrame | undefined {
  const frame: unknown = JSON.parse(text);
  if (!Array.isArray(frame)) return undefined;
  const [firstId, ...payloads] = frame as readonly unknown[];
  if (typeof firstId !== 'number' || !Number.isSafeInteger(firstId + payloads.length) || payloads.length === 0) return undefined;
  return { firstId, payloads };
}

/**
 * Calls `onAnswer` for each answer. What stands where an id should is passed on as it is: nobody waits for it.
 *
 * @throws Error for what is no frame at all
 */
export function readAnswerFrame(text: string, onAnswer: (id: unknown, payload: unknown) => void): void {
  const frame: unknown = JSON.parse(text);
  assert(Array.isArray(frame), 'answers come in an array');
  const items: readonly unknown[] = frame;
  for (let at = 0; at + 1 < items.length; at += 2) onAnswer(items[at], items[at + 1]);
}
