/**
 * Whether an app can be built from its source. `repository_removed`: the repository was deleted, removed from the
 * GitHub App, or transferred to an account without it. `disconnected`: the integration no longer exists, or the project
 * may no longer use it.
 */
export const sourceStatuses = ['connected', 'suspended', 'disconnected', 'repository_removed'] as const;

export type SourceStatus = (typeof sourceStatuses)[number];

/** The state of an app's registry. */
export const registryStatuses = ['connected', 'disconnected'] as const;

export type RegistryStatus = (typeof registryStatuses)[number];
