import { type DispatchState, dispatchMoves } from '../../domain/builds/build-status.ts';
import { sourcesOf } from '../../domain/moves.ts';
import type { Db } from '../store/connection.ts';
import type { DispatchRow } from '../store/tables.ts';

/** The one call that starts a build's run. It is stored before the call and settled after it. */
export type Dispatch = {
  buildId: string;
  state: DispatchState;
  /** Why GitHub refused, or what made the outcome unknown. */
  code: string | null;
  detail: string | null;
  runId: number | null;
  createdAt: number;
  updatedAt: number;
};

/**
 * Finds dispatches only by the ID of a build that the caller already has. So they are not bound to a tenant's scope.
 */
export function dispatchesIn(db: Db) {
  return {
    async find(buildId: string): Promise<Dispatch | undefined> {
      const row = await db('dispatches').where({ build_id: buildId }).first();
      return row && toDispatch(row);
    },

    /** Stores the intent to dispatch. An earlier record stays as it is. */
    async intend(buildId: string): Promise<void> {
      const now = Date.now();
      await db('dispatches')
        .insert({ build_id: buildId, state: 'intent', created_at: now, updated_at: now })
        .onConflict('build_id')
        .ignore();
    },

    /** Moves the state if the current state allows it. Returns false otherwise. */
    async move(
      buildId: string,
      to: DispatchState,
      patch: { code?: string; detail?: string; runId?: number } = {},
    ): Promise<boolean> {
      const moved = await db('dispatches')
        .where({ build_id: buildId })
        .whereIn('state', sourcesOf(dispatchMoves, to))
        .update({
          state: to,
          updated_at: Date.now(),
          ...(patch.code !== undefined && { code: patch.code }),
          ...(patch.detail !== undefined && { detail: patch.detail }),
          ...(patch.runId !== undefined && { run_id: patch.runId }),
        });
      return moved === 1;
    },
  };
}

function toDispatch(row: DispatchRow): Dispatch {
  return {
    buildId: row.build_id,
    state: row.state,
    code: row.code,
    detail: row.detail,
    runId: row.run_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
