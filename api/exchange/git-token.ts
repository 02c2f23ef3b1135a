import type { Exchange } from '../../broker/exchange/git-tokens.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Purpose } from '../../domain/exchange/token-purposes.ts';
import { askProvider, ofTokens } from '../http/ask-provider.ts';
import { Problem } from '../http/problems.ts';
import { type Asked, resolveExchange } from './exchange-request.ts';
import { onCutOff } from './on-cut-off.ts';
import type { ReadyCredential } from './ready-credential.ts';
import { formatToken } from './token-formats.ts';

const kinds = ['github'];

/** A token for repositories of a Git host. */
export async function readyToken(
  { database, exchange }: { database: Database; exchange: Exchange },
  asked: Asked,
  purpose: Purpose,
): Promise<ReadyCredential> {
  const format = asked.body.format ?? 'bearer';
  if (format === 'docker_config') {
    throw new Problem('invalid_request', 'The format `docker_config` is for the purposes `pull` and `push`.');
  }
  const { project, wanted, repositories, hostUrl, appId, narrowed } = await resolveExchange(database, asked, purpose);
  const { issuer, buildId } = wanted;
  const issued = await askProvider(() => exchange.get(wanted), ofTokens).catch(
    onCutOff(database.reader, issuer, kinds),
  );
  const { permissions, expiresAt } = issued;
  return {
    project,
    issuer,
    kinds,
    mintedTokenId: issued.id,
    purpose,
    appId,
    buildId,
    expiresAt,
    scope: { repositories: repositories.map((one) => one.id), permissions, ...(narrowed && { narrowed }) },
    effective: {
      host_url: hostUrl,
      repositories: repositories.map((one) => ({ id: one.id, full_name: one.fullName })),
      permissions,
      narrowed: narrowed ?? null,
    },
    members: formatToken(format, issued.token, hostUrl),
    claim: (trx) => exchange.claim(trx, wanted, issued),
    discard: () => exchange.discard(issued),
  };
}
