/** A workflow's id is its subject's: starting it twice is refused by Temporal, whoever asks. */
export function buildWorkflowId(buildId: string): string {
  return `build/${buildId}`;
}

export function syncWorkflowId(githubAppId: string): string {
  return `sync/${githubAppId}`;
}

export function recoverWorkflowId(githubAppId: string): string {
  return `recover/${githubAppId}`;
}

export function connectGithubWorkflowId(flowId: string): string {
  return `connect-github/${flowId}`;
}
