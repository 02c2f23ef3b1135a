import { type BuildDeps, buildActivities } from './builds.ts';
import { type DispatchDeps, dispatchActivities } from './dispatch.ts';
import { withFailures } from './failures.ts';
import { type ReportDeps, reportActivities } from './reports.ts';
import { type RepositoryDeps, repositoryActivities } from './repositories.ts';
import { type RunDeps, runActivities } from './runs.ts';

export type ActivityDeps = BuildDeps & DispatchDeps & RunDeps & ReportDeps & RepositoryDeps;

/** Every activity of the worker, by the name under which workflows ask for it. */
export function createActivities(deps: ActivityDeps) {
  return withFailures({
    ...buildActivities(deps),
    ...dispatchActivities(deps),
    ...runActivities(deps),
    ...reportActivities(deps),
    ...repositoryActivities(deps),
  });
}

export type Activities = ReturnType<typeof createActivities>;
