import type { CallContext } from '@volplane/engine';
import type { Method } from '@volplane/wire';
import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import type { CallDesk } from './call-desk.js';
import type { CallClass } from '../limits.js';
import type { OpenCall } from './open-call.js';

/** A call with many answers; the caller's pace of reading is the pace of the iteration. See `unary`. */
export function serverStream<Request, Response, Received, Sent>(
  desk: CallDesk,
  callClass: CallClass,
  method: Method<Request, Response, Received, Sent>,
  handler: (request: Received, context: CallContext) => AsyncIterable<Sent>,
): handleServerStreamingCall<Buffer, Buffer> {
  return (call) => {
    const refuse = (error: unknown): void => {
      call.emit('error', desk.refusals.toStatus(error, method.path));
    };
    let open: OpenCall;
    try {
      open = desk.open(call, callClass, refuse);
    } catch (error) {
      refuse(error);
      return;
    }
    const fail = (error: unknown): void => {
      desk.fail(open, error, method.path);
    };
    try {
      const answers = handler(desk.decode(method, call.request), open)[Symbol.asyncIterator]();
      pump(call, answers, open, (answer) => desk.encode(method, answer)).then(() => {
        if (open.answered()) call.end();
      }, fail);
    } catch (error) {
      fail(error);
    }
  };
}

async function pump<Sent>(
  call: ServerWritableStream<Buffer, Buffer>,
  answers: AsyncIterator<Sent>,
  open: OpenCall,
  encode: (answer: Sent) => Buffer,
): Promise<void> {
  let wake = (): void => undefined;
  call.on('drain', () => {
    wake();
  });
  open.signal.addEventListener('abort', () => {
    wake();
    // Ends a source that does not look at the signal; nobody waits any more for what that throws.
    answers.return?.().catch(() => undefined);
  });
  for (;;) {
    const step = await answers.next();
    if (step.done === true || open.ended) return;
    if (call.write(encode(step.value))) continue;
    await new Promise<void>((resolve) => {
      wake = resolve;
      // The signal may have fired before this.
      if (open.ended) resolve();
    });
  }
}
