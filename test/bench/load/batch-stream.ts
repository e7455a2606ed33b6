import type { ClientDuplexStream } from '@grpc/grpc-js';

/** One stream of creates with at most `window` volumes in flight. */
export class BatchLane {
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  #inFlight = 0;
  #stopped = false;

  constructor(stream: ClientDuplexStream<Buffer, Buffer>) {
    this.#stream = stream;
  }

  /**
   * @param next - a message with so many creates; undefined = no more
   * @param done - told how many creates an answer has
   */
  async run(
    window: number,
    next: () => { readonly message: Buffer; readonly volumes: number } | undefined,
    done: (volumes: number) => void,
  ): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const send = (): void => {
        while (!this.#stopped && this.#inFlight < window) {
          const batch = next();
          if (batch === undefined) {
            this.#stopped = true;
            this.#stream.end();
            return;
          }
          this.#inFlight += batch.volumes;
          this.#stream.write(batch.message);
        }
      };
      this.#stream.on('data', (bytes: Buffer) => {
        const results = countResults(bytes);
        this.#inFlight -= results;
        done(results);
        send();
      });
      this.#stream.on('error', reject);
      this.#stream.on('end', resolve);
      send();
    });
  }
}

/**
 * How many results a CreateVolumesResponse has, without decoding the volumes in them.
 *
 * @throws Error when one of them is a refusal
 */
export function countResults(bytes: Buffer): number {
  let results = 0;
  for (const { field, value } of fieldsOf(bytes)) {
    if (field !== RESULTS) continue;
    results += 1;
    for (const inner of fieldsOf(value)) {
      if (inner.field === REFUSAL) throw new Error(`a create of a batch was refused: ${inner.value.toString('latin1')}`);
    }
  }
  return results;
}

/** Of volplane.v1.CreateVolumesResponse and CreateVolumeResult. */
const RESULTS = 1;
const REFUSAL = 3;

/** The fields of a protobuf message that has varints and length-delimited fields only. */
function* fieldsOf(bytes: Buffer): Generator<{ readonly field: number; readonly value: Buffer }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at] ?? 0;
      at += 1;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) === 0) {
      varint();
      continue;
    }
    if ((tag & 7) !== 2) throw new Error('the answer is not a batch of results');
    const length = varint();
    yield { field: tag >>> 3, value: bytes.subarray(at, at + length) };
    at += length;
  }
}
