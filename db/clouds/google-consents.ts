import { newId } from '../../domain/ids.ts';
import { flowSeals } from '../connect/flow-seals.ts';
import type { Db } from '../store/connection.ts';
import { hashSecret, type Keyring, newSecret } from '../store/sealing.ts';
import type { GoogleConsentRow } from '../store/tables.ts';

/** A person's way through Google's consent. */
export type ConsentFlow = {
  id: string;
  orgId: string;
  projectId: string | null;
  /** The account whose consent is renewed; null if the flow creates an account. */
  cloudAccountId: string | null;
  displayName: string;
  createdBy: string;
  browserHash: string | null;
  stateHash: string | null;
  sealedVerifier: string | null;
  expiresAt: number;
  landedAt: number | null;
};

export type NewConsentFlow = Pick<ConsentFlow, 'orgId' | 'projectId' | 'cloudAccountId' | 'displayName' | 'createdBy'>;

/** The lifetime of each of the two steps: our own page, and Google's. */
const lifetimeMs = 10 * 60_000;

/**
 * Looks flows up by a secret that the browser brings. The tenant is unknown until then; the flow found decides who can
 * use it.
 */
export function googleConsentsIn(db: Db) {
  async function by(where: Partial<GoogleConsentRow>): Promise<ConsentFlow | undefined> {
    const row = await db('google_consents').where(where).first();
    return row && toFlow(row);
  }

  return {
    async insert(flow: NewConsentFlow): Promise<{ flow: ConsentFlow; ticket: string }> {
      const now = Date.now();
      const ticket = newSecret('');
      const row: GoogleConsentRow = {
        id: newId('flow'),
        org_id: flow.orgId,
        project_id: flow.projectId,
        cloud_account_id: flow.cloudAccountId,
        display_name: flow.displayName,
        created_by: flow.createdBy,
        ticket_hash: hashSecret(ticket),
        state_hash: null,
        sealed_verifier: null,
        browser_hash: null,
        expires_at: now + lifetimeMs,
        landed_at: null,
        created_at: now,
        updated_at: now,
      };
      await db('google_consents').insert(row);
      return { flow: toFlow(row), ticket };
    },

    byTicket: (ticket: string) => by({ ticket_hash: hashSecret(ticket) }),
    byState: (state: string) => by({ state_hash: hashSecret(state) }),

    async countOpen(orgId: string): Promise<number> {
      const open = db('google_consents').where({ org_id: orgId, landed_at: null }).where('expires_at', '>', Date.now());
      return Number((await open.count({ count: '*' }).first())?.['count'] ?? 0);
    },

    /** Binds the flow to the first browser that opens it. */
    async bindBrowser(id: string, browserHash: string): Promise<boolean> {
      const open = db('google_consents').where({ id, browser_hash: null }).where('expires_at', '>', Date.now());
      return (await open.update({ browser_hash: browserHash, updated_at: Date.now() })) === 1;
    },

    /**
     * Returns a new state for the redirect to Google and makes an earlier one invalid. Returns nothing if the flow has
     * landed or has expired.
     */
    async issueState(flow: ConsentFlow, keyring: Keyring): Promise<{ state: string; verifier: string } | undefined> {
      const now = Date.now();
      const [state, verifier] = [newSecret(''), newSecret('')];
      const stateHash = hashSecret(state);
      const issued = await db('google_consents')
        .where({ id: flow.id, landed_at: null })
        .where('expires_at', '>', now)
        .update({
          state_hash: stateHash,
          sealed_verifier: flowSeals(keyring, flow).sealVerifier(verifier, stateHash),
          expires_at: now + lifetimeMs,
          updated_at: now,
        });
      return issued === 1 ? { state, verifier } : undefined;
    },

    /** Uses the state and deletes the verifier. Returns false if the state was used before, or has expired. */
    async land({ id, stateHash }: ConsentFlow): Promise<boolean> {
      const now = Date.now();
      const landed = await db('google_consents')
        .where({ id, state_hash: stateHash, landed_at: null })
        .where('expires_at', '>', now)
        .update({ landed_at: now, sealed_verifier: null, updated_at: now });
      return landed === 1;
    },
  };
}

/** Returns the verifier of a flow that has not landed yet. */
export function verifierOf(flow: ConsentFlow, keyring: Keyring): string {
  return flowSeals(keyring, flow).openVerifier(flow.sealedVerifier ?? '', flow.stateHash ?? '');
}

function toFlow(row: GoogleConsentRow): ConsentFlow {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    cloudAccountId: row.cloud_account_id,
    displayName: row.display_name,
    createdBy: row.created_by,
    browserHash: row.browser_hash,
    stateHash: row.state_hash,
    sealedVerifier: row.sealed_verifier,
    expiresAt: row.expires_at,
    landedAt: row.landed_at,
  };
}
