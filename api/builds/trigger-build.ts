import { z } from 'zod';
import type { Asking } from '../../broker/github/github.ts';
import { type App, appsFor } from '../../db/builds/apps.ts';
import { createBuild } from '../../db/builds/builds.ts';
import { type Pipeline, pipelinesFor } from '../../db/builds/pipelines.ts';
import { refHeadsIn } from '../../db/deliveries/ref-heads.ts';
import { isDeleted } from '../../db/integrations/usable-integrations.ts';
import type { Db } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { askProvider } from '../http/ask-provider.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { id, lineOfText } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { requireSource } from './app-source.ts';
import { BuildView, buildView } from './build-view.ts';
import { refuseManyInputs } from './pipelines.ts';

/** The name of a ref: characters that Git allows and that a URL can contain. */
const ref = lineOfText
  .min(1)
  .max(250)
  .regex(
    /^(?!\/)(?!refs\/(?!heads\/|tags\/))(?!.*(?:\.\.|\/\/|@\{))[^\s~^:?*[\\]+(?<![/.])$/,
    'must be the name of a branch or a tag',
  );

const TriggerBuild = z
  .strictObject({
    ref: ref.optional().describe('A branch, `refs/heads/…` or `refs/tags/…`. The branch of the app if you omit it'),
    sha: z
      .string()
      .regex(/^[0-9a-f]{40}$/, 'must be a full commit id in lower case')
      .optional()
      .describe('A commit of the branch, its head if you omit it. For a tag, send the commit that it names'),
    inputs: z
      .record(z.string().regex(/^(?!fairlead_)[A-Za-z_][\w-]{0,99}$/), z.string().max(10_000))
      .refine((inputs) => Object.keys(inputs).length <= 22, 'at most 22 inputs')
      .optional()
      .describe('Added to the inputs of the pipeline. They override inputs with the same name'),
  })
  .meta({ id: 'NewBuild', examples: [{ ref: 'main', inputs: { environment: 'staging' } }] });

type Wanted = z.output<typeof TriggerBuild>;

export function triggerBuildRoutes({
  database,
  broker,
  links,
}: Pick<ApiDeps, 'database' | 'broker' | 'links'>): Endpoint[] {
  async function headOf(asking: Asking, branch: string): Promise<string> {
    const head = await broker.branchHead(asking, branch).catch(() => {
      throw new Problem(
        'provider_unavailable',
        'GitHub did not return the head of the branch. Try again, or send `sha`.',
      );
    });
    if (head === undefined)
      throw new Problem('ref_missing', `The repository has no branch ${branch}. Push it, or send another \`ref\`.`);
    return head;
  }

  /**
   * Throws if the commit is not on the ref. GitHub shows every commit of a fork as if it belonged to the repository
   * itself.
   */
  async function requireOnRef(asking: Asking, sha: string, { kind, name }: ReturnType<typeof targetOf>): Promise<void> {
    if (await askProvider(() => broker.liesOn(asking, sha, { kind, name }))) return;
    const wanted = kind === 'tags' ? 'is not the commit of the tag' : 'is not in the history of the branch';
    throw new Problem('sha_not_on_ref', `The commit ${sha} ${wanted} ${name}, or one of them does not exist.`);
  }

  return [
    endpoint({
      method: 'post',
      path: '/v1/pipelines/{pipeline}/builds',
      operationId: 'triggerBuild',
      tag: 'builds',
      summary: 'Trigger a build',
      access: 'builds:trigger',
      params: z.strictObject({ pipeline: id('pip') }),
      body: TriggerBuild,
      success: { status: 201, body: BuildView },
      problems: [
        'event_not_enabled',
        'source_missing',
        'integration_unusable',
        'no_integration',
        'invalid_transition',
        'repository_not_reachable',
        'ref_missing',
        'sha_not_on_ref',
        'workflow_inputs_too_many',
        'provider_unavailable',
      ],
      async prepare({ tenant, params, body }) {
        const { pipeline, source, cutOff } = await subjectOf(database.reader, tenant, params.pipeline);
        const target = targetOf(body, source.branch);
        const { repositoryId } = source;
        const asking = { ownerId: pipeline.projectId, repositoryId };
        if (body.sha !== undefined && !cutOff) {
          await requireOnRef(asking, body.sha, target);
          return { target, repositoryId, sha: body.sha };
        }
        // Without the integration, Fairlead cannot ask GitHub for the commit, and the build never runs.
        if (cutOff) {
          const sha = body.sha ?? (await lastHeadOf(database.reader, repositoryId, target));
          return { target, repositoryId, sha };
        }
        if (target.kind === 'heads') return { target, repositoryId, sha: await headOf(asking, target.name) };
        throw new Problem('invalid_request', 'Send `sha`: the commit that the tag names.', {
          errors: [{ path: 'body.sha', message: 'is required for a tag' }],
        });
      },
      async write({ trx, tenant, params, body, caller, audit, prepared }) {
        const { pipeline, source } = await subjectOf(trx, tenant, params.pipeline);
        const { orgId, projectId, appId } = pipeline;
        const { sha, repositoryId } = prepared;
        const { kind, name } = prepared.target;
        if (repositoryId !== source.repositoryId) {
          throw new Problem('invalid_transition', 'The source of the app has just changed. Try again.');
        }
        const inputs = { ...pipeline.inputs, ...body.inputs };
        await refuseManyInputs(trx, repositoryId, inputs);
        const fullRef = `refs/${kind}/${name}`;
        const build = await createBuild(trx, {
          orgId,
          projectId,
          appId,
          pipeline: { ...pipeline, inputs },
          integrationId: source.integrationId,
          repositoryId,
          event: 'manual',
          ref: fullRef,
          refName: name,
          sha,
          dispatchRef: fullRef,
          fairleadRef: fullRef,
          fork: false,
          status: 'queued',
          createdBy: caller.id,
        });
        await audit({
          orgId,
          projectId,
          action: 'build.triggered',
          target: build.id,
          detail: { pipeline_id: pipeline.id },
        });
        return reply({ body: buildView(build, links) });
      },
    }),
  ];
}

function targetOf({ ref }: Wanted, branch: string): { kind: 'heads' | 'tags'; name: string } {
  const wanted = ref ?? branch;
  if (wanted.startsWith('refs/tags/')) return { kind: 'tags', name: wanted.slice('refs/tags/'.length) };
  return { kind: 'heads', name: wanted.startsWith('refs/heads/') ? wanted.slice('refs/heads/'.length) : wanted };
}

/** Returns the pipeline and its app's source, if the caller can build it manually. */
async function subjectOf(
  db: Db,
  tenant: TenantScope,
  pipelineId: string,
): Promise<{ pipeline: Pipeline; source: NonNullable<App['source']>; cutOff: boolean }> {
  const pipeline = await pipelinesFor(db, tenant).find(pipelineId);
  const app = pipeline && (await appsFor(db, tenant).find(pipeline.appId));
  if (!pipeline || !app) throw new Problem('not_found');
  if (!pipeline.enabled || !pipeline.events.includes('manual')) {
    throw new Problem('event_not_enabled', 'Enable the pipeline and its event `manual`.');
  }
  const { source } = app;
  if (!source) throw new Problem('source_missing', 'Set the source of the app first: `PUT /v1/apps/{app}/source`.');
  // The build itself reports this reason and ends immediately.
  if (await isDeleted(db, source.integrationId)) return { pipeline, source, cutOff: true };
  await requireSource(db, pipeline.projectId, source);
  return { pipeline, source, cutOff: false };
}

/** Returns the last commit of the ref that Fairlead processed, or zeros if there is none. */
async function lastHeadOf(db: Db, repositoryId: string, { kind, name }: ReturnType<typeof targetOf>): Promise<string> {
  const heads = await refHeadsIn(db).list(repositoryId);
  return heads.find(({ ref }) => ref === `refs/${kind}/${name}`)?.sha ?? '0'.repeat(40);
}
