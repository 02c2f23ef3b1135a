import type { Build } from '../../db/builds/builds.ts';

/** What the workflow is given. Ours win over a pipeline's own of the same name: by them the run is found again. */
export function inputsOf({ id, sha, fairleadRef, pipeline }: Build): Record<string, string> {
  return { ...pipeline.inputs, fairlead_build: id, fairlead_sha: sha, fairlead_ref: fairleadRef };
}

/** What is missing from a file that GitHub would not start with these inputs. */
export const inputsHint =
  'Declare fairlead_build, fairlead_sha and fairlead_ref, and the pipeline’s own inputs, below ' +
  'on.workflow_dispatch.inputs, and show inputs.fairlead_build in run-name.';
