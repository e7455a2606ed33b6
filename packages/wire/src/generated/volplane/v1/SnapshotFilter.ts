// Original file: ../../proto/volplane/v1/volumes.proto


export interface SnapshotFilterInput {
  'names'?: (string)[];
  'namePrefix'?: (string);
  'volume'?: (string);
  'node'?: (string);
  '_namePrefix'?: "namePrefix";
  '_volume'?: "volume";
  '_node'?: "node";
}

export interface SnapshotFilter {
  'names': (string)[];
  'namePrefix'?: (string);
  'volume'?: (string);
  'node'?: (string);
  '_namePrefix'?: "namePrefix";
  '_volume'?: "volume";
  '_node'?: "node";
}
