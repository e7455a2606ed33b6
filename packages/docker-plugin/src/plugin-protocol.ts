/** The calls of one kind of plugin: how they are named, read and bounded. */
export interface PluginProtocol<M extends string, R extends PluginCall> {
  findMethod(path: string): M | undefined;
  readonly timeoutsMs: Readonly<Record<M, number>>;
  /** A larger body is refused. */
  readonly bodyBytesMax: number;
  /** Calls whose bodies are read and dropped, however large. */
  readonly ignoresBody?: ReadonlySet<M>;
  /** @throws AppError for what is no request */
  parseRequest(method: M, body: string): R;
}

/** What a request names: the volume, or nothing. */
export interface PluginCall {
  readonly name: string;
}

/** An answer, and what to do when its caller is gone before it could be told. */
export interface Reply {
  readonly answer: object;
  readonly undelivered?: () => void;
}
