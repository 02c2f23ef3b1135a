import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { newId } from '../../domain/ids.ts';
import type { Scope } from '../../domain/people/scopes.ts';
import type { Db } from '../store/connection.ts';
import { shared } from '../store/locks.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import { hashSecret, newSecret } from '../store/sealing.ts';
import type { TokenRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type ApiToken = {
  id: string;
  orgId: string;
  projectId: string | null;
  /** Limits the token: it can exchange credentials for this app or this build, and nothing else. */
  appId: string | null;
  buildId: string | null;
  name: string;
  /** The first characters of the token. */
  hint: string;
  scopes: Scope[];
  createdBy: string;
  createdAt: number;
  expiresAt: number | null;
  lastUsedAt: number | null;
  revokedAt: number | null;
};

export type NewApiToken = Pick<ApiToken, 'orgId' | 'projectId' | 'name' | 'scopes' | 'createdBy' | 'expiresAt'> &
  Partial<Pick<ApiToken, 'appId' | 'buildId'>>;

/** How often the last use of a token is stored. */
const lastUseEveryMs = 60_000;

export function tokensFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('tokens'));
  return {
    async list(page: PageRequest): Promise<Page<ApiToken>> {
      return pageOf<TokenRow, ApiToken>(visible().whereNull('revoked_at'), page, toApiToken);
    },

    async find(id: string): Promise<ApiToken | undefined> {
      const row = await visible().where({ id }).first();
      return row && toApiToken(row);
    },

    /** Creates a token. Only a hash of the returned secret is stored. */
    async insert(token: NewApiToken): Promise<{ token: ApiToken; secret: string }> {
      const secret = newSecret('flt_');
      const row: TokenRow = {
        id: newId('tok'),
        org_id: token.orgId,
        project_id: token.projectId,
        app_id: token.appId ?? null,
        build_id: token.buildId ?? null,
        name: token.name,
        hash: hashSecret(secret),
        hint: secret.slice(0, 8),
        scopes: JSON.stringify(token.scopes),
        created_by: token.createdBy,
        created_at: Date.now(),
        expires_at: token.expiresAt,
        last_used_at: null,
        revoked_at: null,
      };
      await db('tokens').insert(row);
      return { token: toApiToken(row), secret };
    },

    /**
     * Revokes the token, and all tokens that it or its descendants have created. Returns the tokens that were not
     * revoked before, starting with this one.
     */
    async revoke(id: string): Promise<ApiToken[]> {
      const all: TokenRow[] = [];
      let makers = [id];
      let next = visible().where({ id, revoked_at: null });
      while (makers.length > 0) {
        const revoked = await next.update({ revoked_at: Date.now() }).returning('*');
        all.push(...revoked);
        makers = revoked.map((row) => `token:${row.id}`);
        next = visible().whereIn('created_by', makers).whereNull('revoked_at');
      }
      return all.map(toApiToken);
    },
  };
}

/** Returns `tokensFor` without a tenant filter. Use it only with IDs that were authorized when they were stored. */
export const allTokens = (db: Db) => tokensFor(db, everything);

/** Finds a token by its secret, before the owner is known. */
export async function findToken(db: Db, secret: string): Promise<ApiToken | undefined> {
  const row = await db('tokens')
    .where({ hash: hashSecret(secret), revoked_at: null })
    .first();
  if (!row || (row.expires_at !== null && row.expires_at <= Date.now())) return undefined;
  // A build's token ends with the build, regardless of how the build ends.
  const build = row.build_id === null ? undefined : await db('builds').where({ id: row.build_id }).first('status');
  if (row.build_id !== null && (!build || isFinalBuildStatus(build.status))) return undefined;
  return toApiToken(row);
}

/** Finds a live token. A revocation waits for this transaction, and sees what the transaction has created. */
export async function takeLiveToken(trx: Db, id: string): Promise<ApiToken | undefined> {
  const row: TokenRow | undefined = await shared(trx('tokens').where({ id, revoked_at: null }).first());
  return row && (row.expires_at === null || row.expires_at > Date.now()) ? toApiToken(row) : undefined;
}

/** The tokens of one build, or an organization's tokens that belong to no build. */
export type TokensOf = { buildId: string } | { orgId: string };

export async function countLiveTokens(db: Db, of: TokensOf): Promise<number> {
  const whose = 'buildId' in of ? { build_id: of.buildId } : { org_id: of.orgId, build_id: null };
  const row = await db('tokens')
    .where({ ...whose, revoked_at: null })
    .where((live) => live.whereNull('expires_at').orWhere('expires_at', '>', Date.now()))
    .count({ live: '*' })
    .first();
  return Number(row?.['live'] ?? 0);
}

/** Returns whether the last use of the token must be stored again. */
export function isUseDue({ lastUsedAt }: ApiToken): boolean {
  return lastUsedAt === null || Date.now() - lastUsedAt >= lastUseEveryMs;
}

export async function noteTokenUse(trx: Db, id: string): Promise<void> {
  await trx('tokens').where({ id }).update({ last_used_at: Date.now() });
}

function toApiToken(row: TokenRow): ApiToken {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    appId: row.app_id,
    buildId: row.build_id,
    name: row.name,
    hint: row.hint,
    scopes: JSON.parse(row.scopes),
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  };
}
