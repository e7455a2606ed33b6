/**
 * Text that can be the message of a status: it travels percent-encoded in an HTTP/2 header, see {@link STATUS_BYTES_MAX}.
 *
 * Cut where it is too long. Also mends lone surrogates (what is left of a character that was cut in the middle), at which grpc-js throws
 * when it encodes the message: the caller would wait for ever, and the process would end.
 */
export function statusText(text: string): string {
  if (text.length * ESCAPED_BYTES_MAX <= MESSAGE_BYTES_MAX && !LONE_SURROGATE.test(text)) return text;
  const mended = Buffer.from(text).toString();
  if (encodeURI(mended).length <= MESSAGE_BYTES_MAX) return mended;
  let end = 0;
  let bytes = encodeURI(ELLIPSIS).length;
  for (const character of mended) {
    bytes += encodeURI(character).length;
    if (bytes > MESSAGE_BYTES_MAX) break;
    end += character.length;
  }
  return mended.slice(0, end) + ELLIPSIS;
}

/**
 * The bytes of a status as headers: percent-encoded message and base64 of the details. Clients drop a status whole when its headers
 * have more than 8 KiB (gRPC for Java, and the C core below Python, C++ and others, there now and then up to 16 KiB, then always): the caller
 * would not learn the reason at all. HTTP/2's own headers take some 320.
 */
export const STATUS_BYTES_MAX = 7_800;

/** Percent-encoded. The message is in the details once more, in base64. */
const MESSAGE_BYTES_MAX = 2_048;

/** An escape has three bytes for each byte, and no UTF-16 unit has more than three bytes. */
const ESCAPED_BYTES_MAX = 9;
const ELLIPSIS = '…';
const LONE_SURROGATE = /\p{Surrogate}/u;
