import { expiryNoticeMs } from '../../domain/registries/registry-watch.ts';
import { incidentsIn } from '../ops/incidents.ts';
import type { Transaction } from '../store/connection.ts';
import { everything } from '../store/tenant.ts';

const code = 'credential_expiring';

/** Of one round; what is left over is the next one's. */
const mostNotices = 200;

/** Tells once of each credential that ends soon by its owner's date, and no more where that is no longer so. */
export async function noteExpiring(trx: Transaction): Promise<void> {
  const incidents = incidentsIn(trx, everything);
  const ending = trx('integrations')
    .where('expires_at', '<=', Date.now() + expiryNoticeMs)
    .whereNotIn('status', ['deleting', 'deleted', 'expired']);
  const told = trx('incidents').where({ code, status: 'open' });
  const moot = await told.clone().whereNotIn('subject_id', ending.clone().select('id')).select('subject_id');
  for (let from = 0; from < moot.length; from += 500) {
    await incidents.resolveSubject(code, ...moot.slice(from, from + 500).map(({ subject_id: id }) => id));
  }
  const untold = await ending
    .clone()
    .whereNotIn('id', told.clone().select('subject_id'))
    .orderBy('expires_at')
    .limit(mostNotices)
    .select('id', 'org_id', 'project_id', 'display_name');
  for (const { id, org_id: orgId, project_id: projectId, display_name: name } of untold) {
    const title = `${name}: its credential expires within seven days, or has expired`;
    await incidents.raise({ orgId, projectId, code, subjectId: id, title });
  }
}
