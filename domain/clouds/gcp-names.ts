/** A provider of a workload identity pool. Its configuration decides which identities may use it. */
export const workloadIdentityProvider =
  /^projects\/\d{1,20}\/locations\/global\/workloadIdentityPools\/[a-z][a-z0-9-]{2,30}[a-z0-9]\/providers\/[a-z][a-z0-9-]{2,30}[a-z0-9]$/;

export const serviceAccountEmail = /^[a-z0-9][a-z0-9-]{0,62}@[a-z0-9][a-z0-9.-]{0,200}\.gserviceaccount\.com$/;

/** The audience that Google checks, unless a provider lists its own audiences. */
export function federationAudience(provider: string): string {
  return `https://iam.googleapis.com/${provider}`;
}

/** The location of an image. Roles are granted on the location, not on the image. */
export type ArtifactRepository = { project: string; location: string; repository: string };

/** The hosts from before Artifact Registry. Artifact Registry serves them from repositories with their names. */
const containerRegistries: Record<string, string> = {
  'gcr.io': 'us',
  'us.gcr.io': 'us',
  'eu.gcr.io': 'europe',
  'asia.gcr.io': 'asia',
};

/**
 * Returns the repository for an image's path below its host, without tag or digest. Undefined if the path is invalid. A
 * domain-scoped project (`example.com:tools`) takes two segments, because a path has no colon.
 */
export function artifactRepository(host: string, image: string): ArtifactRepository | undefined {
  const segments = image.split('/');
  if (segments.some((segment) => !/^[a-z0-9][a-z0-9._-]{0,127}$/.test(segment))) return undefined;
  const domain = segments[0]?.includes('.') ? `${segments.shift()}:` : '';
  const [name, second, ...rest] = segments;
  if (name === undefined || second === undefined) return undefined;
  const project = `${domain}${name}`;

  const location = Object.hasOwn(containerRegistries, host) ? containerRegistries[host] : undefined;
  if (location !== undefined) return { project, location, repository: host };
  const [, region] = /^([a-z0-9-]{2,40})-docker\.pkg\.dev$/.exec(host) ?? [];
  if (region === undefined || rest.length === 0) return undefined;
  return { project, location: region, repository: second };
}
