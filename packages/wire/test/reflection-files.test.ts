import { loadSync } from '@grpc/proto-loader';
import { loadReflectionFiles, PROTO_FILES, protoFolder } from '@volplane/wire';
import { expect } from 'chai';

/*
 * The rules that strict descriptor pools (Go, Python, C++) keep, and proto-loader's own descriptors break. grpcurl and buf curl
 * were tried by hand.
 */
describe('reflection files', () => {
  const { files } = loadReflectionFiles([{ files: PROTO_FILES, folder: protoFolder() }]);
  const codec = loadSync('google/protobuf/descriptor.proto', { arrays: true, enums: String })[
    'google.protobuf.FileDescriptorProto'
  ] as unknown as {
    deserialize(bytes: Buffer): File;
  };
  const all = (files as { fileDescriptorProtos: Buffer[] }).fileDescriptorProtos.map((bytes) => codec.deserialize(bytes));
  const messages = all.flatMap((file) => file.messageType.flatMap((message) => withNested(message, `.${file.package}`, file)));
  const fileOf = new Map([
    ...messages.map(({ fullName, file }) => [fullName, file.name] as const),
    ...all.flatMap((file) => file.enumType.map(({ name }) => [`.${file.package}.${name}`, file.name] as const)),
  ]);
  const volume = messages.find(({ fullName }) => fullName === '.volplane.v1.Volume')?.message;

  it('name every type in full, and the file that it is in', () => {
    const references = [
      ...messages.flatMap(({ message, file }) =>
        message.field.flatMap(({ typeName }) => (typeName === undefined ? [] : [{ typeName, file }])),
      ),
      ...all.flatMap((file) =>
        file.service.flatMap(({ method }) =>
          method.flatMap(({ inputType, outputType }) => [inputType, outputType].map((typeName) => ({ typeName, file }))),
        ),
      ),
    ];
    expect(references.length).to.be.above(100);
    for (const { typeName, file } of references) {
      const home = fileOf.get(typeName);
      expect(home, typeName).not.to.equal(undefined);
      if (home !== file.name) expect(file.dependency, `${file.name} uses ${typeName}`).to.include(home);
    }
  });

  it('name the entries of a map after its field', () => {
    const maps = messages.filter(({ message }) => message.options?.mapEntry === true);
    expect(maps.length).to.be.above(10);
    for (const { fullName } of maps) expect(fullName).to.match(/Entry$/);
    expect(volume?.field.find(({ name }) => name === 'labels')?.typeName).to.equal('.volplane.v1.Volume.LabelsEntry');
  });

  it('mark optional fields, behind every real oneof', () => {
    const path = volume?.field.find(({ name }) => name === 'path');
    expect(path).to.include({ proto3Optional: true });
    expect(volume?.oneofDecl[path?.oneofIndex ?? -1]).to.have.property('name', '_path');
    const result = messages.find(({ fullName }) => fullName === '.volplane.v1.CreateVolumeResult')?.message;
    const refusal = result?.field.find(({ name }) => name === 'refusal');
    expect(refusal).not.to.have.property('proto3Optional');
    expect(result?.oneofDecl[refusal?.oneofIndex ?? -1]).to.have.property('name', 'outcome');
  });

  it('name fields as the proto files do, and in JSON as everybody does', () => {
    expect(volume?.field.find(({ name }) => name === 'access_mode')).to.include({ jsonName: 'accessMode' });
  });
});

interface File {
  readonly name: string;
  readonly package: string;
  readonly dependency: readonly string[];
  readonly messageType: readonly Message[];
  readonly enumType: readonly { readonly name: string }[];
  readonly service: readonly { readonly method: readonly { readonly inputType: string; readonly outputType: string }[] }[];
}

interface Message {
  readonly name: string;
  readonly field: readonly Field[];
  readonly nestedType: readonly Message[];
  readonly oneofDecl: readonly { readonly name: string }[];
  readonly options?: { readonly mapEntry?: boolean };
}

interface Field {
  readonly name: string;
  readonly jsonName: string;
  readonly typeName?: string;
  readonly oneofIndex?: number;
  readonly proto3Optional?: boolean;
}

interface Placed {
  readonly message: Message;
  readonly fullName: string;
  readonly file: File;
}

function withNested(message: Message, scope: string, file: File): readonly Placed[] {
  const fullName = `${scope}.${message.name}`;
  return [{ message, fullName, file }, ...message.nestedType.flatMap((nested) => withNested(nested, fullName, file))];
}
