/** How the registry of an app is. */
export const registryStatuses = ['connected', 'disconnected'] as const;
export type RegistryStatus = (typeof registryStatuses)[number];
