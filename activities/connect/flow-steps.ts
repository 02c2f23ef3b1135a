import { connectFlowsIn } from '../../db/connect/connect-flows.ts';
import { everything } from '../../db/store/tenant.ts';
import { type FlowStatus, type FlowStep, nextStep } from '../../domain/connect/flow-status.ts';
import type { ConnectDeps } from './deps.ts';
import { closeFlow, type FlowEnd } from './end-flow.ts';

/** How a flow stands: what is to be done next, and how long a person has for their part. */
export type FlowStand = { step: FlowStep; status: FlowStatus; expiresInMs: number };

/** What of a flow touches nothing but our database. */
export function flowSteps({ database }: Pick<ConnectDeps, 'database'>) {
  return {
    /** A flow that is not there is over. */
    async readFlow({ flowId }: { flowId: string }): Promise<FlowStand> {
      const flow = await connectFlowsIn(database.reader, everything).find(flowId);
      if (!flow) return { step: 'over', status: 'failed', expiresInMs: 0 };
      const step = nextStep({ ...flow, hasSignInCode: flow.sealedSignInCode !== null });
      return { step, status: flow.status, expiresInMs: Math.max(0, flow.expiresAt - Date.now()) };
    },

    /** One that has been given more time meanwhile does not expire, and one that is over stays as it ended. */
    async endFlow({ flowId, ...end }: { flowId: string } & FlowEnd): Promise<void> {
      await database.write(async (trx) => {
        const flow = await connectFlowsIn(trx, everything).takeOpen(flowId);
        if (!flow || (end.status === 'expired' && flow.expiresAt > Date.now())) return;
        await closeFlow(trx, flow, end);
      });
    },
  };
}
