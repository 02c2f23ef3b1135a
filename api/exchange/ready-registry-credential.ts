import type { RegistryExchange } from '../../broker/exchange/image-credentials.ts';
import type { Database } from '../../db/store/connection.ts';
import { registryKinds } from '../../domain/registries/registry-hosts.ts';
import type { RegistryPurpose } from '../../domain/registries/registry-purposes.ts';
import { askProvider, ofRegistries } from '../http/ask-provider.ts';
import type { Asked } from './exchange-request.ts';
import { formatCredential, refuseTooMuch, resolveRegistryExchange } from './image-credential.ts';
import { onCutOff } from './on-cut-off.ts';
import type { ReadyCredential } from './ready-credential.ts';

/** A credential for images in a registry. */
export async function readyRegistryCredential(
  { database, registryExchange }: { database: Database; registryExchange: RegistryExchange },
  asked: Asked,
  purpose: RegistryPurpose,
): Promise<ReadyCredential> {
  const resolved = await resolveRegistryExchange(database, asked, purpose);
  const { project, wanted, format, appId } = resolved;
  const { issuer, buildId } = wanted;
  const issued = await askProvider(() => registryExchange.get(wanted), ofRegistries).catch(
    onCutOff(database.reader, issuer, registryKinds),
  );
  refuseTooMuch(resolved, issued);
  const { host, effective, isStatic, expiresAt } = issued;
  const { repositories, actions, narrowedTo, note } = effective;
  return {
    project,
    issuer,
    kinds: registryKinds,
    mintedTokenId: issued.id,
    purpose,
    appId,
    buildId,
    expiresAt,
    scope: {
      repositories: repositories === '*' ? ['*'] : repositories,
      permissions: { images: actions.join(',') },
      ...(narrowedTo !== 'repository' && { narrowed: narrowedTo }),
    },
    effective: { host, repositories, actions, narrowed_to: narrowedTo, static: isStatic, note: note ?? null },
    members: formatCredential(format, issued),
    claim: (trx) => registryExchange.claim(trx, wanted, issued),
    discard: () => registryExchange.discard(issued),
  };
}
