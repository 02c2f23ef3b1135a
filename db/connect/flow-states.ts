import { type StatePurpose, stateLifetimes } from '../../domain/connect/flow-status.ts';
import type { Db } from '../store/connection.ts';
import { hashSecret, newSecret } from '../store/sealing.ts';
import type { FlowStateRow } from '../store/tables.ts';

/** The state that a browser carries from one step of a flow to the next. */
export type FlowState = {
  hash: string;
  flowId: string;
  purpose: StatePurpose;
  sealedVerifier: string | null;
  expiresAt: number;
  usedAt: number | null;
  answerHash: string | null;
};

/** How many unused states a step keeps, because each reload and each tab has its own. Older ones become invalid. */
const keptPerStep = 5;

/**
 * Looks states up by a secret that the browser brings. The tenant is unknown until then, so no tenant scope applies;
 * the flow found decides who can use the state.
 */
export function flowStatesIn(db: Db) {
  return {
    /** Makes a random state and stores its hash. `seal` takes the hash and returns what to store beside it. */
    async issue(flowId: string, purpose: StatePurpose, seal?: (hash: string) => string): Promise<string> {
      const now = Date.now();
      const state = newSecret('');
      const hash = hashSecret(state);
      await db('flow_states').insert({
        hash,
        flow_id: flowId,
        purpose,
        sealed_verifier: seal?.(hash) ?? null,
        created_at: now,
        expires_at: now + stateLifetimes[purpose],
        used_at: null,
        answer_hash: null,
      });
      const unused = { flow_id: flowId, purpose, used_at: null };
      const newest = await db('flow_states')
        .where(unused)
        .orderBy('created_at', 'desc')
        .limit(keptPerStep)
        .pluck('hash');
      await db('flow_states')
        .where(unused)
        .whereNotIn('hash', [...newest, hash])
        .delete();
      return state;
    },

    async find(state: string): Promise<FlowState | undefined> {
      return this.findByHash(hashSecret(state));
    },

    async findByHash(hash: string): Promise<FlowState | undefined> {
      const row = await db('flow_states').where({ hash }).first();
      return row && toFlowState(row);
    },

    /** Uses the state once. Returns false if it was used before, or has expired. */
    async use(hash: string, answerHash: string | null = null): Promise<boolean> {
      const now = Date.now();
      const used = await db('flow_states')
        .where({ hash, used_at: null })
        .where('expires_at', '>', now)
        .update({ used_at: now, answer_hash: answerHash });
      return used === 1;
    },
  };
}

function toFlowState(row: FlowStateRow): FlowState {
  return {
    hash: row.hash,
    flowId: row.flow_id,
    purpose: row.purpose,
    sealedVerifier: row.sealed_verifier,
    expiresAt: row.expires_at,
    usedAt: row.used_at,
    answerHash: row.answer_hash,
  };
}
