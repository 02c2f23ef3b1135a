/** What an integration of a registry keeps besides its secret. */
export type RegistrySettings = {
  /** As image references name it. */
  registry: string;
  /** For a user name and password; a cloud's own are made anew each time. */
  username?: string;
  /** The only host to which the credential may be sent besides: found when it was first proven, or agreed to by its owner. */
  realm?: string;
  /** Another one that the registry wants it sent to, and that nobody has agreed to. */
  asked_realm?: string;
  /** PEM, of a registry with a certificate authority of its own. */
  ca_pem?: string;
  /** What is proven when it is verified, and what is asked for where nothing is named. */
  repositories?: string[];
};

/** The secret of an integration with a user name and password. */
export const registryPasswordKind = 'registry_password';

/** The secrets of cloud accounts, by how they are entered; the other ways have none. */
export const cloudSecretKinds = {
  access_key: 'aws_secret_access_key',
  service_account_key: 'gcp_service_account_key',
  oauth: 'gcp_refresh_token',
  client_secret: 'azure_client_secret',
} as const;

/** What makes a connection to a registry one: its owner has no second one to the same. */
export function registryIdentity(host: string, by: { username: string } | { cloud: string }): string {
  return `registry:${host}:${'cloud' in by ? `cloud:${by.cloud}` : `user:${by.username}`}`;
}
