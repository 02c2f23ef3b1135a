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
