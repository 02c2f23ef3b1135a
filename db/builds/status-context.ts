import type { Db } from '../store/connection.ts';
import type { Pipeline } from './pipelines.ts';

/**
 * The name under which a pipeline reports at a commit. GitHub keeps one status for each, whatever its case, and one
 * repository may be the source of several apps, also of other projects, whose names may be the same: the pipeline that
 * was there first has the plain name, later ones have the end of their id behind it.
 */
export async function statusContextOf(db: Db, { id, appId, name }: Pipeline, repositoryId: string): Promise<string> {
  const app = await db('apps').where({ id: appId }).first('name');
  const names = `${app?.name ?? appId}/${name}`;
  const earlier = await db('pipelines')
    .join('apps', 'apps.id', 'pipelines.app_id')
    .where('apps.source_repository_id', repositoryId)
    .whereNull('apps.deleted_at')
    .whereNull('pipelines.deleted_at')
    .where('pipelines.id', '<', id)
    .whereRaw(`lower(apps.name || '/' || pipelines.name) = lower(?)`, [names])
    .first('pipelines.id');
  return earlier ? `fairlead/${names} (${id.slice(-6)})` : `fairlead/${names}`;
}
