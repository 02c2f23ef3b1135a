/** The inputs that every dispatched workflow must declare: the build, and the commit and ref to build. */
export const buildInputs = ['fairlead_build', 'fairlead_sha', 'fairlead_ref'] as const;

/** Returns a sentence if the inputs of a pipeline do not fit beside Fairlead's own. */
export function tooManyInputs(inputs: Record<string, string>, most: number): string | undefined {
  const ours: readonly string[] = buildInputs;
  const own = Object.keys(inputs).filter((name) => !ours.includes(name)).length;
  const room = most - buildInputs.length;
  if (own <= room) return undefined;
  return `This GitHub accepts at most ${most} workflow inputs. Fairlead uses ${buildInputs.length} of them, so there is room for ${room}: there are ${own}.`;
}

/** What a workflow file needs. Shown to a person whose file lacks it. */
export const workflowSnippet = `run-name: Build \${{ inputs.fairlead_build }}
on:
  workflow_dispatch:
    inputs:
      fairlead_build: { description: Build id, required: true, type: string }
      fairlead_sha: { description: Commit, required: true, type: string }
      fairlead_ref: { description: Ref, required: true, type: string }
`;

/** The id of a build as it appears in a run's name. */
const marker = /(?<![0-9a-z_])bld_[0-9a-hjkmnp-tv-z]{26}(?![0-9a-z])/g;

/**
 * Returns the build that a run's name contains. A workflow file writes the name, so the id is only a claim: callers
 * must also check the repository and the state. A name with two different ids counts as none.
 */
export function findBuildId(displayTitle: string): string | undefined {
  const found = new Set(displayTitle.match(marker));
  return found.size === 1 ? [...found][0] : undefined;
}
