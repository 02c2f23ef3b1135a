import { createHash } from 'node:crypto';
import type { GitHubBroker } from '../../broker/github.ts';
import type { Database } from '../../db/connection.ts';
import { githubAppsIn } from '../../db/github-apps.ts';
import { installationsIn } from '../../db/installations.ts';
import { refHeadsIn } from '../../db/ref-heads.ts';
import { type Repository, repositoriesIn } from '../../db/repositories.ts';
import { type NewDelivery, storeDeliveries } from '../../db/store-deliveries.ts';
import { everything } from '../../db/tenant.ts';
import { ProviderError } from '../../providers/http.ts';

export type GapDeps = { database: Database; broker: Pick<GitHubBroker, 'forRepository'> };
type Head = { name: string; sha: string };
type GitHub = Awaited<ReturnType<GitHubBroker['forRepository']>>['github'];

/** A repository with more branches has the rest of them told by its next push. */
const mostPages = 20;

/**
 * For what the provider's log no longer has: where a branch is not where it was decided last, one push is made of it,
 * to its newest head. Branches that were never decided are left alone: nobody can tell whether they are new.
 */
export async function fillRepositoryGap(
  { database, broker }: GapDeps,
  { repositoryId, ownerId }: { repositoryId: string; ownerId: string },
): Promise<number> {
  const repository = await repositoriesIn(database.reader).find(repositoryId);
  const decided = new Map((await refHeadsIn(database.reader).list(repositoryId)).map(({ ref, sha }) => [ref, sha]));
  if (!repository || decided.size === 0) return 0;
  const reached = await broker
    .forRepository({ ownerId, repositoryId, permissions: { contents: 'read' } })
    .catch((error: unknown) => {
      // Cut off: its pushes are nobody's business any more.
      if (error instanceof ProviderError && error.status === undefined) return undefined;
      throw error;
    });
  if (!reached) return 0;

  const moved = (await headsOf(reached.github, reached.fullName)).filter(({ name, sha }) => {
    const before = decided.get(`refs/heads/${name}`);
    return before !== undefined && before !== sha;
  });
  const pushes: NewDelivery[] = [];
  for (const head of moved) {
    const message = await reached.github.getCommitMessage(reached.fullName, head.sha);
    const before = decided.get(`refs/heads/${head.name}`) ?? '';
    pushes.push(await pushOf(database, repository, { ...head, before, message: message ?? '' }));
  }
  if (pushes.length > 0) await database.write((trx) => storeDeliveries(trx, pushes));
  return pushes.length;
}

async function headsOf(github: GitHub, fullName: string): Promise<Head[]> {
  const heads: Head[] = [];
  for (let page: number | undefined = 1; page !== undefined && page <= mostPages; ) {
    const { branches, next }: { branches: Head[]; next: number | undefined } = await github.listBranches(fullName, {
      page,
    });
    heads.push(...branches);
    page = next;
  }
  return heads;
}

/** As the provider would have told it, as far as anything is decided by it. The same head makes the same push. */
async function pushOf(
  database: Database,
  { githubAppId, installationId, externalId, fullName }: Repository,
  { name, sha, before, message }: Head & { before: string; message: string },
): Promise<NewDelivery> {
  const installation = await installationsIn(database.reader, everything).find(installationId);
  const app = await githubAppsIn(database.reader).find(githubAppId);
  const ref = `refs/heads/${name}`;
  const payload = {
    ref,
    before,
    after: sha,
    created: false,
    deleted: false,
    forced: false,
    head_commit: { id: sha, message },
    repository: { id: externalId, full_name: fullName },
    installation: { id: installation?.externalId },
  };
  return {
    githubAppId,
    providerDeliveryId: guidOf(JSON.stringify([app?.id, externalId, ref, before, sha])),
    event: 'push',
    contentKey: null,
    headers: {},
    body: Buffer.from(JSON.stringify(payload)),
    origin: 'synthetic',
  };
}

/** A UUID that follows from the text (RFC 9562, version 8). */
function guidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
