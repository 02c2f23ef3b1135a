import type { WorkflowHandle } from '@temporalio/client';

/** A workflow's history with readable payloads, as an operator sees it. */
export async function historyText(handle: Pick<WorkflowHandle, 'fetchHistory'>): Promise<string> {
  return JSON.stringify(await handle.fetchHistory(), readable);
}

/** Payloads are bytes of JSON. */
function readable(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data).toString('utf8') : value;
}
