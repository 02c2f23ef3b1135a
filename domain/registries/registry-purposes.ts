export const registryPurposes = ['pull', 'push'] as const;
export type RegistryPurpose = (typeof registryPurposes)[number];

/** What a credential allows, which can be more than requested, because providers narrow differently. */
export type EffectiveScope = {
  repositories: string[] | '*';
  actions: RegistryPurpose[];
  narrowedTo: 'repository' | 'identity' | 'account';
  note?: string;
};

/** A credential for a registry that lives for minutes. */
export type RegistryCredential = {
  host: string;
  username: string;
  password: string;
  /** In ms; null if it lives until it is replaced. */
  expiresAt: number | null;
  /** For clients that call the registry directly. */
  bearer?: string;
  effective: EffectiveScope;
};

/** The result for one repository, found without a push or a pull. */
export type RepositoryCheck = {
  repository: string;
  action: RegistryPurpose;
  outcome: 'allowed' | 'denied' | 'unproven';
  /** The reason if it does not work. */
  code?: string;
};
