import type { CallContext } from '@volplane/engine';
import type { Method } from '@volplane/wire';
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { CallDesk } from './call-desk.js';
import type { CallClass } from '../limits.js';
import type { OpenCall } from './open-call.js';

/**
 * A call with one answer. With `serverStream` and `batchStream` the only place that knows grpc-js's calls, callbacks and metadata.
 *
 * Every call ends, whatever the handler throws or rejects with, and at its deadline if the handler never answers: what rejects
 * unseen would leave the caller waiting and end the process.
 */
export function unary<Request, Response, Received, Sent>(
  desk: CallDesk,
  callClass: CallClass,
  method: Method<Request, Response, Received, Sent>,
  handler: (request: Received, context: CallContext) => Promise<Sent>,
): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    const refuse = (error: unknown): void => {
      callback(desk.refusals.toStatus(error, method.path));
    };
    let open: OpenCall;
    try {
      // Before the bytes are read: a call that finds no room costs next to nothing.
      open = desk.open(call, callClass, refuse);
    } catch (error) {
      refuse(error);
      return;
    }
    const fail = (error: unknown): void => {
      desk.fail(open, error, method.path);
    };
    const succeed = (answer: Sent): void => {
      if (open.ended) return;
      desk.reply(method, answer, (bytes) => {
        open.answered();
        callback(null, bytes);
      });
    };
    try {
      handler(desk.decode(method, call.request), open).then(succeed).catch(fail);
    } catch (error) {
      fail(error);
    }
  };
}
