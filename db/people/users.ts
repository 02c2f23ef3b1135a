import type { Role } from '../../domain/people/scopes.ts';
import type { Db } from '../store/connection.ts';

export type User = { id: string; name: string; ops: boolean };
export type Membership = { orgId: string; role: Role };

export function usersIn(db: Db) {
  return {
    async find(id: string): Promise<(User & { memberships: Membership[] }) | undefined> {
      const row = await db('users').where({ id }).first();
      if (!row) return undefined;
      const memberships = await db('memberships').where({ user_id: id }).orderBy('org_id');
      return {
        id: row.id,
        name: row.name,
        ops: Boolean(row.ops),
        memberships: memberships.map(({ org_id, role }) => ({ orgId: org_id, role })),
      };
    },
  };
}
