import { ProviderError } from '../../failure.ts';
import { idIn, timeIn } from '../client.ts';
import { type Conversation, split } from '../conversation.ts';

/** The longest description that GitHub accepts. */
const maxDescription = 140;

export type CommitStatus = {
  fullName: string;
  sha: string;
  state: 'error' | 'failure' | 'pending' | 'success';
  /** Case does not count. GitHub keeps 1,000 statuses per commit and context. */
  context: string;
  description?: string;
  targetUrl?: string;
};

export type DeploymentRequest = {
  fullName: string;
  /** Branch, tag or commit. */
  ref: string;
  environment: string;
  description?: string;
  /** Our build id, which finds the deployment again. */
  payload: Record<string, string>;
  production?: boolean;
  transient?: boolean;
};

export type Deployment = { id: number; sha: string; environment: string; payload: unknown; createdAt: number };

export type DeploymentStatus = {
  fullName: string;
  deploymentId: number;
  state: 'error' | 'failure' | 'inactive' | 'in_progress' | 'queued' | 'pending' | 'success';
  description?: string;
  logUrl?: string;
  environmentUrl?: string;
};

/** The reports to GitHub about a build. */
export function reportsOf({ request, read, write }: Conversation) {
  return {
    createStatus({ fullName, sha, state, context, description, targetUrl }: CommitStatus): Promise<void> {
      return write(
        () =>
          request('POST /repos/{owner}/{repo}/statuses/{sha}', {
            ...split(fullName),
            sha,
            state,
            context,
            ...described(description),
            ...(targetUrl === undefined ? {} : { target_url: targetUrl }),
          }),
        () => undefined,
      );
    },

    /** Never merges the base branch into the ref and never waits for other checks, because a build needs neither. */
    createDeployment(wanted: DeploymentRequest): Promise<{ id: number }> {
      const { fullName, ref, environment, description, payload, production, transient } = wanted;
      // 202 means that GitHub merged the base branch, which we ask it not to do. The answer then has no id.
      return write<unknown, { id: number }>(
        () =>
          request('POST /repos/{owner}/{repo}/deployments', {
            ...split(fullName),
            ref,
            environment,
            payload,
            auto_merge: false,
            required_contexts: [],
            ...described(description),
            ...(production === undefined ? {} : { production_environment: production }),
            ...(transient === undefined ? {} : { transient_environment: transient }),
          }),
        (data, { status }) => {
          if (status === 202) throw merged();
          return { id: idIn(data as { id: unknown }) };
        },
      );
    },

    createDeploymentStatus(status: DeploymentStatus): Promise<{ id: number }> {
      const { fullName, deploymentId, state, description, logUrl, environmentUrl } = status;
      return write(
        () =>
          request('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
            ...split(fullName),
            deployment_id: deploymentId,
            state,
            // GitHub marks the earlier deployment as inactive.
            auto_inactive: true,
            ...described(description),
            ...(logUrl === undefined ? {} : { log_url: logUrl }),
            ...(environmentUrl === undefined ? {} : { environment_url: environmentUrl }),
          }),
        (data) => ({ id: idIn(data) }),
      );
    },

    /** The newest 100 of a commit or of an environment. */
    listDeployments(query: { fullName: string; environment?: string; sha?: string }): Promise<Deployment[]> {
      const { fullName, environment, sha } = query;
      return read(
        () =>
          request('GET /repos/{owner}/{repo}/deployments', {
            ...split(fullName),
            per_page: 100,
            ...(environment === undefined ? {} : { environment }),
            ...(sha === undefined ? {} : { sha }),
          }),
        (data) =>
          data.map((raw) => ({
            id: idIn(raw),
            sha: raw.sha,
            environment: raw.environment,
            payload: raw.payload,
            createdAt: timeIn(raw.created_at),
          })),
      );
    },
  };
}

function described(description: string | undefined): { description?: string } {
  if (description === undefined) return {};
  const characters = [...description];
  if (characters.length <= maxDescription) return { description };
  return { description: `${characters.slice(0, maxDescription - 1).join('')}…` };
}

function merged(): ProviderError {
  return new ProviderError({
    provider: 'github',
    code: 'conflict',
    status: 202,
    message: 'GitHub merged the base branch instead of deploying',
  });
}
