import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { OrgRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type Org = { id: string; name: string; revision: number; createdAt: number; updatedAt: number };

/**
 * Finds and changes organizations. An organization is its own tenant, so the scope filters by its ID. A grant for one
 * project does not show the organization.
 */
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

    /** Returns false if the revision is not the current one. */
    async update(id: string, revision: number, { name }: { name: string }): Promise<boolean> {
      const changed = await visible()
        .where({ id, revision })
        .update({ name, revision: revision + 1, updated_at: Date.now() });
      return changed === 1;
    },
  };
}

/** Returns `orgsFor` without a tenant filter. Use it only with IDs that were authorized when they were stored. */
export const allOrgs = (db: Db) => orgsFor(db, everything);

function toOrg({ id, name, revision, created_at, updated_at }: OrgRow): Org {
  return { id, name, revision, createdAt: created_at, updatedAt: updated_at };
}
