import { assert } from '@volplane/base';
import {
  loadSync,
  type AnyDefinition,
  type EnumTypeDefinition,
  type MessageTypeDefinition,
  type PackageDefinition,
} from '@grpc/proto-loader';

/**
 * What server reflection shows, as file descriptors that strict clients take.
 *
 * proto-loader's own descriptors are too loose for clients written in Go, Python and C++: names of types are relative, files do not name
 * the files that they need, entries of maps have the name of the field, and optional fields look like members of a oneof. This
 * mends them.
 *
 * @param sets - proto files with the folder of their imports; each package as a whole in one set
 * @returns a package definition that is good for reflection and for nothing else
 */
export function loadReflectionFiles(sets: readonly { readonly files: readonly string[]; readonly folder: string }[]): PackageDefinition {
  const codec = fileDescriptorCodec();
  const files = new Map<string, FileDescriptor>();
  for (const set of sets) {
    // Reflection shows the names of fields as they stand in the proto files.
    const definition = Object.values(loadSync([...set.files], { keepCase: true, includeDirs: [set.folder] })).find(isType);
    // Every type carries all files of its set.
    for (const bytes of definition?.fileDescriptorProtos ?? []) {
      const file = codec.deserialize(bytes);
      files.set(file.name, file);
    }
  }
  mend([...files.values()]);
  const fileDescriptorProtos = [...files.values()].map((file) => codec.serialize(file));
  // Reflection reads the files of any one type and nothing else of the definition.
  return { files: { format: 'Protocol Buffer 3 EnumDescriptorProto', type: {}, fileDescriptorProtos } };
}

/** The parts of google.protobuf.FileDescriptorProto that are read here; all others go through as they are. */
interface FileDescriptor {
  readonly name: string;
  readonly package: string;
  dependency: string[];
  readonly messageType: readonly MessageDescriptor[];
  readonly enumType: readonly { readonly name: string }[];
  readonly service: readonly { readonly method: readonly MethodDescriptor[] }[];
}

interface MessageDescriptor {
  name: string;
  readonly field: readonly FieldDescriptor[];
  readonly nestedType: readonly MessageDescriptor[];
  readonly enumType: readonly { readonly name: string }[];
  oneofDecl: { readonly name: string }[];
  readonly options?: { readonly mapEntry?: boolean } | null;
}

interface FieldDescriptor {
  readonly name: string;
  typeName?: string;
  jsonName: string;
  oneofIndex?: number;
  proto3Optional?: boolean;
}

interface MethodDescriptor {
  inputType: string;
  outputType: string;
}

function isType(definition: AnyDefinition): definition is MessageTypeDefinition<object, object> | EnumTypeDefinition {
  return 'fileDescriptorProtos' in definition;
}

function fileDescriptorCodec(): MessageTypeDefinition<FileDescriptor, FileDescriptor> {
  const definition = loadSync('google/protobuf/descriptor.proto', { arrays: true })['google.protobuf.FileDescriptorProto'];
  // The interface above names fields of this very message.
  return definition as unknown as MessageTypeDefinition<FileDescriptor, FileDescriptor>;
}

function mend(files: readonly FileDescriptor[]): void {
  for (const file of files) for (const message of file.messageType) nameMapEntries(message);
  const fileOfType = new Map<string, string>();
  for (const file of files) collectTypes(file, fileOfType);
  for (const file of files) {
    const needed = new Set<string>();
    const resolve = (name: string, scope: string): string => {
      const type = findType(name, scope, fileOfType);
      needed.add(fileOfType.get(type) ?? file.name);
      return `.${type}`;
    };
    for (const message of file.messageType) mendMessage(message, `${file.package}.${message.name}`, resolve);
    for (const method of file.service.flatMap((service) => service.method)) {
      method.inputType = resolve(method.inputType, file.package);
      method.outputType = resolve(method.outputType, file.package);
    }
    needed.delete(file.name);
    file.dependency = [...needed].sort();
  }
}

/** `map<string, string> labels` needs an entry type named LabelsEntry. */
function nameMapEntries(message: MessageDescriptor): void {
  for (const nested of message.nestedType) {
    nameMapEntries(nested);
    if (nested.options?.mapEntry !== true) continue;
    const field = message.field.find(
      ({ typeName: type, name }) =>
        type === nested.name && name.replaceAll('_', '').toLowerCase() === nested.name.replaceAll('_', '').toLowerCase(),
    );
    assert(field !== undefined, `the map ${nested.name} of ${message.name} has a field`);
    nested.name = `${pascalCase(field.name)}Entry`;
    field.typeName = nested.name;
  }
}

function pascalCase(name: string): string {
  return name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function mendMessage(message: MessageDescriptor, fullName: string, resolve: (name: string, scope: string) => string): void {
  for (const nested of message.nestedType) mendMessage(nested, `${fullName}.${nested.name}`, resolve);
  const { oneofDecl: oneofs } = message;
  // Those of optional fields come after the real ones.
  const order = oneofs.map((_, index) => index).sort((one, other) => Number(isOptional(oneofs[one])) - Number(isOptional(oneofs[other])));
  for (const field of message.field) {
    field.jsonName = field.name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (field.typeName !== undefined && field.typeName !== '') field.typeName = resolve(field.typeName, fullName);
    if (field.oneofIndex === undefined) continue;
    if (isOptional(oneofs[field.oneofIndex])) field.proto3Optional = true;
    field.oneofIndex = order.indexOf(field.oneofIndex);
  }
  message.oneofDecl = order.flatMap((index) => oneofs[index] ?? []);
}

/** The parser makes a oneof of one for each optional field. */
function isOptional(oneof: { readonly name: string } | undefined): boolean {
  return oneof?.name.startsWith('_') === true;
}

function collectTypes(file: FileDescriptor, fileOfType: Map<string, string>): void {
  const collect = (messages: readonly MessageDescriptor[], enums: readonly { readonly name: string }[], scope: string): void => {
    for (const { name } of enums) fileOfType.set(`${scope}.${name}`, file.name);
    for (const message of messages) {
      const fullName = `${scope}.${message.name}`;
      fileOfType.set(fullName, file.name);
      collect(message.nestedType, message.enumType, fullName);
    }
  };
  collect(file.messageType, file.enumType, file.package);
}

/** A relative name is looked for in the scope itself, then in the ones around it. */
function findType(name: string, scope: string, types: ReadonlyMap<string, string>): string {
  if (name.startsWith('.')) return name.slice(1);
  for (let around = scope; around !== ''; around = around.slice(0, Math.max(0, around.lastIndexOf('.')))) {
    if (types.has(`${around}.${name}`)) return `${around}.${name}`;
  }
  assert(types.has(name), `type ${name} of ${scope} is known`);
  return name;
}
