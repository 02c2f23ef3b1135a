import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { OrgRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type Org = { id: string; name: string; revision: number; createdAt: number; updatedAt: number };

/** An organization is its own tenant: the scope narrows by its id, and a grant for one project does not show it. */
export function orgsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('orgs'), { org: 'id' }).whereNull('deleted_at');
  return {
    async find(id: string): Promise<Org | undefined> {
      const row = await visible().where({ id }).first();
      return row && toOrg(row);
    },

    async list(page: PageRequest): Promise<Page<Org>> {
      return pageOf<OrgRow, Org>(visible(), page, toOrg);
    },

    async insert({ name }: { name: string }): Promise<Org> {
      const now = Date.now();
      const row: OrgRow = { id: newId('org'), name, revision: 1, created_at: now, updated_at: now, deleted_at: null };
      await db('orgs').insert(row);
      return toOrg(row);
    },

    /** False where the revision is not the current one any more. */
    async update(id: string, revision: number, { name }: { name: string }): Promise<boolean> {
      const changed = await visible()
        .where({ id, revision })
        .update({ name, revision: revision + 1, updated_at: Date.now() });
      return changed === 1;
    },
  };
}

/** Returns the same for every tenant: for ids that were authorized when they were written down. */
export const allOrgs = (db: Db) => orgsFor(db, everything);

function toOrg({ id, name, revision, created_at, updated_at }: OrgRow): Org {
  return { id, name, revision, createdAt: created_at, updatedAt: updated_at };
}
