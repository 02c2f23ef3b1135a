import type { Db } from '../store/connection.ts';

/** How many accounts a name lists. */
const mostNamed = 3;

/**
 * Returns the kind of an integration and what it connects: its accounts at GitHub, or the host of its registry. For
 * operators who read the summary of a workflow.
 */
export async function integrationName(db: Db, id: string): Promise<string> {
  const row = await db('integrations').where({ id }).first('kind', 'host_url');
  if (!row) return id;
  const accounts = await db('bindings')
    .join('installations', 'installations.id', 'bindings.installation_id')
    .where('bindings.integration_id', id)
    .orderBy('installations.account_login')
    .limit(mostNamed + 1)
    .select('installations.account_login');
  const names = accounts.slice(0, mostNamed).map(({ account_login: login }) => login);
  if (accounts.length > mostNamed) names.push('…');
  return `${row.kind} ${names.join(', ') || hostOf(row.host_url)}`;
}

export function hostOf(url: string): string {
  return url.replace(/^https?:\/\//, '');
}
