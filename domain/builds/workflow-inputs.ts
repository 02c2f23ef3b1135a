/** What every dispatched workflow has to declare: the build, the commit and the ref that it is to build. */
export const buildInputs = ['fairlead_build', 'fairlead_sha', 'fairlead_ref'] as const;

/** A sentence where these inputs of a pipeline are more than fit beside ours. */
export function tooManyInputs(inputs: Record<string, string>, most: number): string | undefined {
  const ours: readonly string[] = buildInputs;
  const own = Object.keys(inputs).filter((name) => !ours.includes(name)).length;
  const room = most - buildInputs.length;
  if (own <= room) return undefined;
  return `This GitHub starts a workflow with ${most} inputs at most. ${buildInputs.length} of them are Fairlead's own, so there is room for ${room}: there are ${own}.`;
}

/** What a workflow file needs, to be shown where it is missing. */
export const workflowSnippet = `run-name: Build \${{ inputs.fairlead_build }}
on:
  workflow_dispatch:
    inputs:
      fairlead_build: { description: Build id, required: true, type: string }
      fairlead_sha: { description: Commit, required: true, type: string }
      fairlead_ref: { description: Ref, required: true, type: string }
`;

/** A build's id as a run's name shows it. */
const marker = /(?<![0-9a-z_])bld_[0-9a-hjkmnp-tv-z]{26}(?![0-9a-z])/g;

/**
 * The build that a run's name speaks of. The name is written by a workflow file, so the id in it is only a claim:
 * whoever uses it also checks repository and state. A name with two different ids says nothing.
 */
export function findBuildId(displayTitle: string): string | undefined {
  const found = new Set(displayTitle.match(marker));
  return found.size === 1 ? [...found][0] : undefined;
}
