/** The methods of the bare chain; docs/benchmarks/README.md says what each does. */
export const CHAIN_PATHS = { create: '/bench.Chain/Create', mount: '/bench.Chain/Mount' } as const;

/** What the front asks the back over NATS. */
export const CHAIN_SUBJECTS = { folder: 'bench.folder', put: 'bench.put' } as const;

/** What both processes are told on their command line, as JSON. */
export interface ChainPlaces {
  readonly etcd: string;
  readonly nats: string;
  /** Where the back makes its folders. */
  readonly root: string;
}

/** As long as the document of a volume. */
export const CHAIN_DOCUMENT = 'x'.repeat(560);
