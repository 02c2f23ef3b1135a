import type { Elsewhere } from '../../../broker/open-registries.ts';
import { createGuardedFetch, type Fetch } from '../../../providers/egress/guarded-fetch.ts';
import { userOfEcr } from '../../../stand-ins/aws/registry.ts';
import { type AwsStandIn, startAws } from '../../../stand-ins/aws/stand-in.ts';
import type { Identity } from '../../../stand-ins/aws/state.ts';
import { userOfRegistry } from '../../../stand-ins/azure/registry.ts';
import { type AzureStandIn, startAzure } from '../../../stand-ins/azure/stand-in.ts';
import { userOfArtifactRegistry } from '../../../stand-ins/google/artifact-registry.ts';
import { type GoogleStandIn, startGoogle } from '../../../stand-ins/google/stand-in.ts';
import { type RegistryStandIn, startRegistry } from '../../../stand-ins/registry/stand-in.ts';
import { loopbackCertificate } from '../programs/cloud-tls.ts';

export type CloudStandIns = { aws: AwsStandIn; google: GoogleStandIn; azure: AzureStandIn };

/** The operator's OAuth client at Google. */
export const googleClient = { clientId: '77.apps.googleusercontent.com', clientSecret: 'GOCSPX-1' };

/** The hosts of the registries. The host decides which cloud a registry belongs to. */
export const registryHosts = {
  ecr: '444455556666.dkr.ecr.eu-west-1.amazonaws.com',
  gar: 'europe-west1-docker.pkg.dev',
  acr: 'acmeshop.azurecr.io',
} as const;
type Kind = keyof typeof registryHosts;

/** Returns the addresses of these stand-ins. `platform` is Fairlead's own identity at AWS. */
export function cloudsAt({ aws, google, azure }: CloudStandIns, platform: Identity): Elsewhere {
  const { url } = google;
  return {
    aws: { endpoints: aws.endpoints, ambient: async () => platform },
    gcp: { sts: url, iamCredentials: url, oauth: url, artifactRegistry: url },
    azure: { entra: azure.url, registry: azure.url },
    timeoutMs: 2_000,
  };
}

const closed = 'http://127.0.0.1:9';

/** The addresses for tests without clouds: every call to them fails. */
export const unreachableClouds: Elsewhere = {
  aws: { endpoints: { sts: closed, ecr: closed, ecrPublic: closed } },
  gcp: { sts: closed, iamCredentials: closed, oauth: closed, artifactRegistry: closed },
  azure: { entra: closed, registry: closed },
};

/** Returns the product's guarded fetch, which reaches a stand-in for each of these hosts. */
export function registriesElsewhere(hosts: Record<string, RegistryStandIn>): Pick<Elsewhere, 'registries'> {
  const allowedHosts = Object.values(hosts).map(({ url }) => ({ origin: url }));
  const outside = createGuardedFetch({ allowedHosts, timeoutMs: 2_000, maxBytes: 64 * 1024 });
  const fetch: Fetch = async (address, init) => {
    const { host, pathname, search } = new URL(address);
    const registry = hosts[host];
    if (!registry) throw new Error(`No registry of this test: ${host}`);
    return outside(new URL(pathname + search, registry.url), init);
  };
  return { registries: () => fetch };
}

/** Starts AWS, Google and Azure, each with a registry that accepts the credentials that its cloud issues. */
export async function startClouds() {
  const certificate = loopbackCertificate;
  const [aws, google, azure] = await Promise.all([
    startAws(),
    startGoogle({ certificate }),
    startAzure({ certificate }),
  ]);
  const standIns = { aws, google, azure };
  const platform = aws.user({ accountId: '999999999999', name: 'fairlead' });
  const now = Date.now;
  const realm = (kind: Kind) => `https://${registryHosts[kind]}/token`;
  const [ecr, gar, acr] = await Promise.all([
    startRegistry({ auth: 'basic', denial: 403, userOf: userOfEcr(aws.state) }),
    startRegistry({ realm: realm('gar'), userOf: userOfArtifactRegistry(google.state, now) }),
    startRegistry({ realm: realm('acr'), userOf: userOfRegistry(azure.state, registryHosts.acr, now) }),
  ]);
  const registries: Record<Kind, RegistryStandIn> = { ecr, gar, acr };
  const ways = registriesElsewhere(
    Object.fromEntries(Object.entries(registryHosts).map(([kind, host]) => [host, registries[kind as Kind]])),
  );

  return {
    ...standIns,
    platform,
    registries,
    allowedHosts: [google, azure].map(({ url }) => ({ origin: url })),
    elsewhere: { ...cloudsAt(standIns, platform), ...ways },

    /** Removes all faults. */
    heal(): void {
      for (const { faults } of [google, azure]) faults.clear();
      for (const registry of [ecr, gar, acr]) registry.heal();
      aws.heal();
    },

    async stop(): Promise<void> {
      await Promise.all([aws.stop(), ...[google, azure, ecr, gar, acr].map((one) => one.close())]);
    },
  };
}

export type Clouds = Awaited<ReturnType<typeof startClouds>>;
