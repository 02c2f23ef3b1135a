/**
 * Whether an app can be built from its source. `repository_removed`: it was deleted, taken from the App, or given to an
 * account without it. `disconnected`: the integration is gone, or was taken from the project.
 */
export const sourceStatuses = ['connected', 'suspended', 'disconnected', 'repository_removed'] as const;

export type SourceStatus = (typeof sourceStatuses)[number];

/** How the registry of an app is. */
export const registryStatuses = ['connected', 'disconnected'] as const;

export type RegistryStatus = (typeof registryStatuses)[number];
