// Original file: ../../proto/volplane/v1/nodes.proto


export interface NodeLostVolumeInput {
  'name'?: (string);
  'risk'?: (string);
  'attached'?: (boolean);
  'owned'?: (boolean);
}

export interface NodeLostVolume {
  'name': (string);
  'risk': (string);
  'attached': (boolean);
  'owned': (boolean);
}
