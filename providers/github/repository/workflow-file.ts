import { parseDocument } from 'yaml';

export type WorkflowInspection = {
  /** False if the text is not YAML or not a mapping. Then nothing else is known. */
  readable: boolean;
  dispatchable: boolean;
  /** The inputs of a build that `workflow_dispatch` does not declare. GitHub would reject the dispatch. */
  missingInputs: string[];
  /** Whether `run-name` shows the build. Fairlead finds the run by it when GitHub's answer was lost. */
  runNameShowsBuild: boolean;
};

/** A workflow file has a few kilobytes. A larger file is not parsed. */
const maxLength = 512 * 1024;

const unreadable: Omit<WorkflowInspection, 'missingInputs'> = {
  readable: false,
  dispatchable: false,
  runNameShowsBuild: false,
};

/**
 * What a workflow file needs so that a build can start it.
 * https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
 */
export function inspectWorkflow(yamlText: string, requiredInputs: readonly string[]): WorkflowInspection {
  const file = parseMapping(yamlText);
  if (!file) return { ...unreadable, missingInputs: [...requiredInputs] };

  // YAML 1.1 reads the key `on` as true. A file can select that version with a %YAML directive.
  const events = file.get('on') ?? file.get(true);
  const declared = inputsOf(events);
  return {
    readable: true,
    dispatchable: dispatchOf(events) !== undefined,
    missingInputs: requiredInputs.filter((name) => !declared.has(name)),
    runNameShowsBuild: showsBuild(file.get('run-name')),
  };
}

type Mapping = Map<unknown, unknown>;

/**
 * Maps instead of objects, because strangers choose the keys. The limit on aliases stops a document that expands
 * without end.
 */
function parseMapping(text: string): Mapping | undefined {
  if (text.length > maxLength) return undefined;
  try {
    const document = parseDocument(text, { logLevel: 'silent' });
    const value: unknown =
      document.errors.length > 0 ? undefined : document.toJS({ mapAsMap: true, maxAliasCount: 50 });
    return value instanceof Map ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `on:` is one event, a list of events, or a mapping with settings. Null means "without settings". */
function dispatchOf(events: unknown): unknown {
  if (events === 'workflow_dispatch') return null;
  if (Array.isArray(events)) return events.includes('workflow_dispatch') ? null : undefined;
  return events instanceof Map ? events.get('workflow_dispatch') : undefined;
}

function inputsOf(events: unknown): Set<unknown> {
  const dispatch = dispatchOf(events);
  const inputs = dispatch instanceof Map ? dispatch.get('inputs') : undefined;
  return new Set(inputs instanceof Map ? inputs.keys() : []);
}

/** An expression that reads the input, in any of the three notations. */
function showsBuild(runName: unknown): boolean {
  if (typeof runName !== 'string') return false;
  return runName
    .split('${{')
    .slice(1)
    .some((rest) => /\binputs(?:\.|\[')fairlead_build\b/i.test(rest.split('}}')[0] ?? ''));
}
