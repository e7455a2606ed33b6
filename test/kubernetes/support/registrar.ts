import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';

/**
 * What node-driver-registrar does, for it cannot be had as a Go module: a socket in kubelet's folder that says which plugin is where,
 * and hears whether kubelet takes it.
 */
export class Registrar {
  readonly #server = new Server();
  /** Resolves when kubelet has accepted the plugin; rejects with why it did not. */
  readonly accepted: Promise<void>;

  static async start(socket: string, plugin: { readonly name: string; readonly endpoint: string }): Promise<Registrar> {
    const registrar = new Registrar(plugin);
    await new Promise<void>((resolve, reject) => {
      registrar.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    return registrar;
  }

  private constructor(plugin: { readonly name: string; readonly endpoint: string }) {
    const info = Buffer.concat([...['CSIPlugin', plugin.name, plugin.endpoint, SPEC].map((text, index) => textField(index + 1, text))]);
    this.accepted = new Promise<void>((resolve, reject) => {
      this.#server.addService(REGISTRATION, {
        GetInfo: (_call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
          answer(null, info);
        },
        NotifyRegistrationStatus: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
          answer(null, Buffer.alloc(0));
          // Field 1, a boolean: it is registered. Otherwise field 2 says why not.
          if (call.request[0] === 0x08 && call.request[1] === 1) resolve();
          else reject(new Error(`kubelet refused the plugin: ${call.request.toString('utf8')}`));
        },
      });
    });
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.forceShutdown();
      resolve();
    });
  }
}

/** A text of less than 128 bytes in protobuf. */
function textField(number: number, text: string): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, Buffer.byteLength(text)]), Buffer.from(text)]);
}

function method(name: string): object {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path: `/pluginregistration.Registration/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

const REGISTRATION = { GetInfo: method('GetInfo'), NotifyRegistrationStatus: method('NotifyRegistrationStatus') } as never;
const SPEC = '1.0.0';
