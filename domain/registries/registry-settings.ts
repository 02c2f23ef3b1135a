import { type RegistryPurpose, registryPurposes } from './registry-purposes.ts';

/** What the integration of a registry stores besides its secret. */
export type RegistrySettings = {
  /** The name in image references. */
  registry: string;
  /** For a user name and a password. The credentials of clouds are created for each use. */
  username?: string;
  /**
   * The only other host that may receive the credential. It was found in the first proof, or its owner agreed to it.
   */
  realm?: string;
  /** Another host that the registry names. Its owner has not agreed to it yet. */
  asked_realm?: string;
  /** PEM, for a registry with a certificate authority of its own. */
  ca_pem?: string;
  /** The repositories that a verification proves, and the default of a request that names none. */
  repositories?: string[];
  /** What the registry is used for. Both if it is absent. */
  purposes?: RegistryPurpose[];
};

/** Returns what the registry is used for, and so what a verification proves. */
export function purposesOf({ purposes = [...registryPurposes] }: RegistrySettings): RegistryPurpose[] {
  return purposes;
}

/** The secret of an integration with a user name and password. */
export const registryPasswordKind = 'registry_password';

/** The secrets of cloud accounts, by access mode. The other modes have none. */
export const cloudSecretKinds = {
  access_key: 'aws_secret_access_key',
  service_account_key: 'gcp_service_account_key',
  oauth: 'gcp_refresh_token',
  client_secret: 'azure_client_secret',
} as const;

/** The identity of a connection. An owner has at most one connection with the same values. */
export function registryIdentity(host: string, by: { username: string } | { cloud: string }): string {
  return `registry:${host}:${'cloud' in by ? `cloud:${by.cloud}` : `user:${by.username}`}`;
}
