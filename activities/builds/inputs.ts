import type { Build } from '../../db/builds/builds.ts';

/** What the workflow is given. Ours win over a pipeline's own of the same name: by them the run is found again. */
export function inputsOf({ id, sha, fairleadRef, pipeline }: Build): Record<string, string> {
  return { ...pipeline.inputs, fairlead_build: id, fairlead_sha: sha, fairlead_ref: fairleadRef };
}
