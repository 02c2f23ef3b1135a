export const registryPurposes = ['pull', 'push'] as const;
export type RegistryPurpose = (typeof registryPurposes)[number];

/** What a credential is really good for, which may be more than what was asked for: providers narrow differently. */
export type EffectiveScope = {
  repositories: string[] | '*';
  actions: RegistryPurpose[];
  narrowedTo: 'repository' | 'identity' | 'account';
  note?: string;
};
