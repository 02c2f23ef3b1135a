import { parse } from 'yaml';

export type WorkflowDefinition = {
  name: string | undefined;
  runName: string | undefined;
  dispatchable: boolean;
  inputs: Record<string, { required?: boolean; default?: unknown; type?: string; options?: string[] } | null>;
};

/** What Actions reads from a workflow file. */
export function readDefinition(text: string): WorkflowDefinition {
  const file = parse(text) as Record<string, unknown>;
  const on = file['on'];
  const events = typeof on === 'string' ? [on] : Array.isArray(on) ? on : Object.keys(on ?? {});
  const settings = on && typeof on === 'object' && !Array.isArray(on) ? (on as Record<string, unknown>) : {};
  const dispatch = settings['workflow_dispatch'] as { inputs?: WorkflowDefinition['inputs'] } | null | undefined;
  return {
    name: file['name'] as string | undefined,
    runName: file['run-name'] as string | undefined,
    dispatchable: events.includes('workflow_dispatch'),
    inputs: dispatch?.inputs ?? {},
  };
}

/** Evaluates `run-name` with its inputs. Other expressions are empty. */
export function evaluateRunName(template: string, inputs: Record<string, unknown>): string {
  const reads = /^(?:github\.event\.)?inputs(?:\.([\w-]+)|\['([^']+)'\])$/i;
  return template.replaceAll(/\$\{\{\s*(.*?)\s*\}\}/g, (_, expression: string) => {
    const [, dotted, quoted] = reads.exec(expression) ?? [];
    return String(inputs[dotted ?? quoted ?? ''] ?? '');
  });
}
