export const registryPurposes = ['pull', 'push'] as const;
export type RegistryPurpose = (typeof registryPurposes)[number];

/** What a credential is really good for, which may be more than what was asked for: providers narrow differently. */
export type EffectiveScope = {
  repositories: string[] | '*';
  actions: RegistryPurpose[];
  narrowedTo: 'repository' | 'identity' | 'account';
  note?: string;
};

/** A credential for a registry, made for minutes. */
export type RegistryCredential = {
  host: string;
  username: string;
  password: string;
  /** In ms; null where it lives until it is replaced. */
  expiresAt: number | null;
  /** For those who speak to the registry themselves. */
  bearer?: string;
  effective: EffectiveScope;
};

/** What was found out about one repository without pushing or pulling anything. */
export type RepositoryCheck = {
  repository: string;
  action: RegistryPurpose;
  outcome: 'allowed' | 'denied' | 'unproven';
  /** Why not. */
  code?: string;
};
