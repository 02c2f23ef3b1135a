import type { Db } from '../store/connection.ts';
import type { ConnectFlow } from './connect-flows.ts';

/**
 * Returns whether another flow of the same person has asked for this account, or can have asked for it. The flows of
 * all tenants count, because GitHub lists a person's requests for a GitHub App without the flow. Flows that ended
 * before this one began do not count.
 */
export async function isAskedElsewhere(
  db: Db,
  { id, githubAppId, githubUserId, createdAt }: ConnectFlow,
  accountId: number,
): Promise<boolean> {
  const other = await db('connect_flows')
    .where({ github_app_id: githubAppId, github_user_id: githubUserId })
    .whereNot({ id })
    .where((recent) => recent.whereNull('finished_at').orWhere('finished_at', '>=', createdAt))
    .where((one) =>
      one
        .where({ requested_account: accountId })
        .orWhere((unclear) => unclear.where({ status: 'awaiting_approval', requested_account: null })),
    )
    .first('id');
  return other !== undefined;
}
