import { z } from 'zod';
import { appsFor } from '../../db/builds/apps.ts';
import { mostInputsFor } from '../../db/builds/pipelines.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { buildInputs, tooManyInputs, workflowSnippet } from '../../domain/builds/workflow-inputs.ts';
import { askProvider } from '../http/ask-provider.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { id } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { requireSource } from './app-source.ts';
import { findPipeline } from './pipelines.ts';

const CheckView = z
  .object({
    ok: z.boolean(),
    problems: z.array(
      z.object({
        code: z.enum([
          'workflow_file_missing',
          'workflow_file_unreadable',
          'workflow_not_dispatchable',
          'workflow_inputs_undeclared',
          'workflow_inputs_too_many',
          'run_name_unmarked',
        ]),
        detail: z.string(),
      }),
    ),
    snippet: z.string().nullable().describe('What to add to the workflow file. Null if nothing is missing'),
  })
  .meta({ id: 'PipelineCheck' });

type Check = z.input<typeof CheckView>;

export function pipelineCheckRoutes({ database, broker }: Pick<ApiDeps, 'database' | 'broker'>): Endpoint[] {
  /** Returns the app's source repository, if the integration still reaches it. */
  async function sourceOf(tenant: TenantScope, appId: string): Promise<string> {
    const app = await appsFor(database.reader, tenant).find(appId);
    const source = app?.source;
    if (!source) throw new Problem('source_missing', 'Set the source of the app first: `PUT /v1/apps/{app}/source`.');
    await requireSource(database.reader, app.projectId, source);
    return source.repositoryId;
  }

  return [
    endpoint({
      method: 'post',
      path: '/v1/pipelines/{pipeline}/check',
      operationId: 'checkPipeline',
      tag: 'pipelines',
      summary: 'Check the workflow file of a pipeline',
      description:
        'Reads the file from the default branch at the provider and checks that it can be dispatched. Changes nothing.',
      access: 'pipelines:read',
      params: z.strictObject({ pipeline: id('pip') }),
      success: { status: 200, body: CheckView },
      problems: [
        'source_missing',
        'integration_unusable',
        'no_integration',
        'repository_not_reachable',
        'provider_unavailable',
      ],
      async read({ tenant, params }) {
        const pipeline = await findPipeline(database.reader, tenant, params.pipeline);
        const asking = { ownerId: pipeline.projectId, repositoryId: await sourceOf(tenant, pipeline.appId) };
        const inputs = [...buildInputs, ...Object.keys(pipeline.inputs)];
        const file = pipeline.workflowFile;
        const found = await askProvider(() => broker.inspectWorkflowFile(asking, file, inputs));
        const excess = tooManyInputs(pipeline.inputs, await mostInputsFor(database.reader, asking.repositoryId));
        const problems = found ? complaintsOf(found) : [missing(file)];
        if (excess) problems.push({ code: 'workflow_inputs_too_many', detail: excess });
        return { ok: problems.length === 0, problems, snippet: problems.length === 0 ? null : workflowSnippet };
      },
    }),
  ];
}

function missing(file: string): Check['problems'][number] {
  return { code: 'workflow_file_missing', detail: `There is no .github/workflows/${file} on the default branch.` };
}

function complaintsOf(found: {
  readable: boolean;
  dispatchable: boolean;
  missingInputs: string[];
  runNameShowsBuild: boolean;
}): Check['problems'] {
  if (!found.readable) return [{ code: 'workflow_file_unreadable', detail: 'The file is not valid YAML.' }];
  if (!found.dispatchable) {
    return [{ code: 'workflow_not_dispatchable', detail: 'The file has no `workflow_dispatch` under `on:`.' }];
  }
  const problems: Check['problems'] = [];
  if (found.missingInputs.length > 0) {
    const detail = `The file does not declare the inputs ${found.missingInputs.join(', ')}.`;
    problems.push({ code: 'workflow_inputs_undeclared', detail });
  }
  if (!found.runNameShowsBuild) {
    const detail =
      'The `run-name` does not contain `inputs.fairlead_build`, so Fairlead cannot find a run whose start was uncertain.';
    problems.push({ code: 'run_name_unmarked', detail });
  }
  return problems;
}
