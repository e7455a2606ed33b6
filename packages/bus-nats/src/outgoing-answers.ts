import type { Clock, Logger } from '@volplane/base';
import { answerFrame, type EncodedAnswer } from './frames.js';
import { TurnBatches } from './turn-batches.js';

export interface OutgoingAnswersOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Sends one message now. @returns why it was not sent, if so */
  readonly publish: (replyTo: string, frame: Buffer) => string | undefined;
}

export interface OutgoingAnswer extends EncodedAnswer {
  /** Where the message with the request asked for the answer. */
  readonly replyTo: string;
}

/** The answers of this process: those for one inbox that become ready in one turn of the event loop go together. */
export class OutgoingAnswers {
  readonly #options: OutgoingAnswersOptions;
  readonly #planned: TurnBatches<OutgoingAnswer>;

  constructor(options: OutgoingAnswersOptions) {
    this.#options = options;
    this.#planned = new TurnBatches(options.clock, (_, answers) => {
      this.#send(answers);
    });
  }

  /** @param frameBytesMax - what one message may have */
  add(answer: OutgoingAnswer, frameBytesMax: number): void {
    this.#planned.add(inboxOf(answer.replyTo), answer, frameBytesMax);
  }

  /** Sends what waits for the end of its turn. */
  flush(): void {
    this.#planned.flush();
  }

  #send(answers: readonly OutgoingAnswer[]): void {
    const replyTo = answers.at(-1)?.replyTo;
    if (replyTo === undefined) return;
    const refusal = this.#options.publish(replyTo, answerFrame(answers));
    if (refusal !== undefined) this.#options.log.debug('answers dropped', { answers: answers.length, refusal });
  }
}

/**
 * Whoever asks listens to all that begins with this, see OutgoingRequests: which message an answer belongs to is in its id alone. A reply
 * subject of two words is an inbox of its own, as strangers have: many begin with the same word.
 */
function inboxOf(replyTo: string): string {
  const end = replyTo.lastIndexOf('.');
  return replyTo.indexOf('.') === end ? replyTo : replyTo.slice(0, end);
}
