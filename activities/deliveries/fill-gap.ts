import { createHash } from 'node:crypto';
import type { GitHubBroker } from '../../broker/github/github.ts';
import { type RefHead, refHeadsIn } from '../../db/deliveries/ref-heads.ts';
import { type NewDelivery, storeDeliveries } from '../../db/deliveries/store-deliveries.ts';
import { allInstallations } from '../../db/github/installations.ts';
import { type Repository, repositoriesIn } from '../../db/github/repositories.ts';
import type { Database } from '../../db/store/connection.ts';
import { headDoubtMs } from '../../domain/deliveries/delivery-log.ts';

export type GapDeps = { database: Database; broker: Pick<GitHubBroker, 'forRepository'> };
type Head = { name: string; sha: string };
type GitHub = Awaited<ReturnType<GitHubBroker['forRepository']>>['github'];

/** The next push reports the branches of a repository with more pages. */
const mostPages = 20;

/**
 * Replaces deliveries that the provider's log no longer has. If a branch has moved since it was last decided, one push
 * to its newest commit is created. Branches that were never decided are skipped, because they could be new.
 */
export async function fillRepositoryGap(
  { database, broker }: GapDeps,
  { repositoryId, ownerId }: { repositoryId: string; ownerId: string },
): Promise<number> {
  const repository = await repositoriesIn(database.reader).find(repositoryId);
  const decided = new Map((await refHeadsIn(database.reader).list(repositoryId)).map((head) => [head.ref, head]));
  if (!repository || decided.size === 0) return 0;
  const { github, fullName } = await broker.forRepository({ ownerId, repositoryId, permissions: { contents: 'read' } });
  const readAt = Date.now();
  const pushes: NewDelivery[] = [];
  for (const { name, sha } of await headsOf(github, fullName)) {
    const before = decided.get(`refs/heads/${name}`);
    if (!before || before.sha === sha) continue;
    const message = (await github.getCommitMessage(fullName, sha)) ?? '';
    pushes.push(await pushOf(database, repository, { before, sha, message, readAt }));
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

/**
 * Builds the push as the provider would have sent it, as far as decisions depend on it. The same input always gives the
 * same push.
 */
async function pushOf(
  database: Database,
  { githubAppId, installationId, externalId, fullName }: Repository,
  { before, sha, message, readAt }: { before: RefHead; sha: string; message: string; readAt: number },
): Promise<NewDelivery> {
  const installation = await allInstallations(database.reader).find(installationId);
  const { ref } = before;
  const payload = {
    ref,
    before: before.sha,
    after: sha,
    created: false,
    deleted: false,
    forced: false,
    head_commit: { id: sha, message },
    // The time is earlier than any push after the head was read, even if GitHub's clock differs.
    repository: { id: externalId, full_name: fullName, pushed_at: Math.floor((readAt - headDoubtMs) / 1000) },
    installation: { id: installation?.externalId },
  };
  return {
    githubAppId,
    providerDeliveryId: guidOf(JSON.stringify([githubAppId, externalId, ref, before.sha, before.pushedAt, sha])),
    event: 'push',
    contentKey: null,
    headers: {},
    body: Buffer.from(JSON.stringify(payload)),
    origin: 'synthetic',
  };
}

/** Returns a UUID derived from the text (RFC 9562, version 8). */
function guidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
