/**
 * The layers of the project and where outside libraries may be used, as rules. `npm run check` applies them;
 * test/tidy/planted-faults.test.ts shows that each one catches what it forbids.
 *
 * A package may use what stands in an earlier row. Those in one row do not know each other.
 */
const LAYERS = [
  ['base'],
  ['domain'],
  ['wire'],
  ['ports'],
  ['engine'],
  ['host'],
  ['store-etcd', 'bus-nats', 'rpc', 'logging', 'metrics'],
  ['drivers'],
  ['docker-plugin', 'csi'],
  ['testkit'],
];

/** Outside libraries that one package hides from the rest: the folders that may import them, and a pattern for their names. */
const LIBRARIES = [
  // The bench measures what a program without Volplane would do.
  { name: 'etcd3', homes: ['packages/store-etcd', 'test/bench'], pattern: 'etcd3' },
  { name: 'nats', homes: ['packages/bus-nats', 'test/bench'], pattern: '(nats|@nats-io/[^/]+)' },
  { name: 'winston', homes: ['packages/logging'], pattern: '(winston|logform|winston-transport)' },
  { name: 'prom-client', homes: ['packages/metrics'], pattern: 'prom-client' },
  // Tests that cross processes call the services as any gRPC client would.
  { name: 'grpc', homes: ['packages/rpc', 'packages/wire', 'packages/csi', 'test'], pattern: '(@grpc/[^/]+|grpc-health-check|protobufjs)' },
];

const anyOf = (names) => `(${names.join('|')})`;

const layerRules = LAYERS.flatMap((row, index) =>
  row.map((name) => {
    const forbidden = [...row.filter((other) => other !== name), ...LAYERS.slice(index + 1).flat()];
    return {
      name: `layer-of-${name}`,
      severity: 'error',
      comment: `${name} may not use ${forbidden.join(', ')}: they stand beside or above it.`,
      from: { path: `^packages/${name}/src/` },
      to: { path: `^packages/${anyOf(forbidden)}/` },
    };
  }),
).filter((rule) => !rule.to.path.includes('()'));

const libraryRules = LIBRARIES.map(({ name, homes, pattern }) => ({
  name: `library-${name}`,
  severity: 'error',
  comment: `Only ${homes.join(', ')} may import ${name}, so that it can be replaced there.`,
  from: { path: '^(packages|services|deploy|test)/', pathNot: `^${anyOf(homes)}/` },
  // As a resolved file, or as the bare name where the package does not even declare it.
  to: { path: `(^|/node_modules/)${pattern}(/|$)` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...layerRules,
    ...libraryRules,
    {
      name: 'core-knows-no-node',
      severity: 'error',
      comment: 'These decide; they run in a simulation as well as in a process. Files, sockets and clocks come through ports.',
      // One file of wire finds the proto files that it loads.
      from: { path: '^packages/(domain|wire|ports|engine)/src/', pathNot: '^packages/wire/src/protocol[.]ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'core-has-no-libraries',
      severity: 'error',
      comment: 'What everything rests on rests on nothing from outside.',
      from: { path: '^packages/(base|domain|ports)/src/' },
      to: { pathNot: '^packages/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'engine-has-schemas-only',
      severity: 'error',
      comment: 'The engine reaches the world through ports. A schema of zod is data.',
      from: { path: '^packages/engine/src/' },
      to: { pathNot: '^packages/|(^|/node_modules/)zod(/|$)', dependencyTypesNot: ['core'] },
    },
    {
      name: 'services-stand-apart',
      severity: 'error',
      comment: 'Nothing imports a service; services meet over the wire.',
      from: { path: '^(packages|services)/([^/]+)/' },
      to: { path: '^services/', pathNot: '^$1/$2/' },
    },
    {
      name: 'testkit-is-for-tests',
      severity: 'error',
      comment: 'Fakes and contract suites have no place in what runs.',
      from: { path: '^(packages|services)/[^/]+/src/', pathNot: '^packages/testkit/' },
      to: { path: '^packages/testkit/' },
    },
    {
      name: 'product-knows-no-scaffolding',
      severity: 'error',
      comment: 'Packages and services do not use tests or the development set-up.',
      from: { path: '^(packages|services)/[^/]+/src/' },
      to: { path: '^(test|deploy)/|^(packages|services)/[^/]+/test/' },
    },
    {
      name: 'no-own-index',
      severity: 'error',
      comment: 'Inside of a package files import each other, not the index: that makes cycles.',
      from: { path: '^(packages/[^/]+)/src/' },
      to: { path: '^$1/src/index[.]ts$' },
    },
    {
      name: 'no-cycle',
      severity: 'error',
      comment: 'A cycle has no first part to understand, and none to load. Types alone may refer to each other.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'declared-only',
      severity: 'error',
      comment: 'Declare the dependency in the package.json of the package that uses it.',
      from: { path: '^(packages|services)/[^/]+/src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'What cannot be resolved cannot be judged: every other rule would pass it in silence.',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|generated)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    // Without these two, imports of workspace packages stay unresolved.
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@volplane/source', 'import', 'require', 'node', 'default', 'types'],
    },
  },
};
