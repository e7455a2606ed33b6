// Original file: ../../proto/volplane/v1/volumes.proto


export interface CandidateInput {
  'node'?: (string);
  'passed'?: (boolean);
  'reason'?: (string);
}

export interface Candidate {
  'node': (string);
  'passed': (boolean);
  'reason': (string);
}
