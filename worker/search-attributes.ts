import type { Connection } from '@temporalio/client';
import { workflowAttributeNames } from '../domain/ops/workflow-ids.ts';
import type { Logger } from '../log.ts';

const keyword = 2;
const deadlineMs = 5_000;

/**
 * Returns whether workflows can start with search attributes. Registers the missing ones if the namespace permits it.
 * Another operator's cluster is used without them.
 */
export async function ensureSearchAttributes(
  connection: Connection,
  namespace: string,
  logger: Logger,
): Promise<boolean> {
  const call = <Result>(work: () => Promise<Result>) => connection.withDeadline(Date.now() + deadlineMs, work);
  const missing = async () => {
    const { customAttributes } = await call(() => connection.operatorService.listSearchAttributes({ namespace }));
    return workflowAttributeNames.filter((name) => customAttributes?.[name] !== keyword);
  };
  try {
    const lacking = await missing();
    if (lacking.length === 0) return true;
    const searchAttributes = Object.fromEntries(lacking.map((name) => [name, keyword]));
    await call(() => connection.operatorService.addSearchAttributes({ namespace, searchAttributes }));
    return (await missing()).length === 0;
  } catch {
    logger.warn('Temporal’s search attributes cannot be read or registered: workflows go without them');
    return false;
  }
}
