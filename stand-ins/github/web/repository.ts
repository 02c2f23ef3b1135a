import type { Answer, Call, Page } from '../answers.ts';
import type { Push } from '../events/move-ref.ts';
import { pushPayload } from '../events/payloads.ts';
import { short } from '../events/webhooks.ts';
import { html, page, redirectTo } from '../html.ts';
import type { Announcement } from '../installing.ts';
import { newSha, type Repository, type State } from '../state.ts';
import { field } from './accounts.ts';

/** A repository, with a button that stands for `git push`. */
export function repositoryPages(announce: (announcement: Announcement) => Promise<void>): Page[] {
  return [
    {
      method: 'GET',
      path: '/{owner}/{repo}',
      handle(call) {
        const repository = find(call);
        return repository && show(call.state, repository);
      },
    },
    {
      method: 'POST',
      path: '/{owner}/{repo}/simulated-push',
      handle(call) {
        const repository = find(call);
        if (!repository) return undefined;
        const branch = field(call, 'branch') ?? repository.defaultBranch;
        const message = field(call, 'message');
        const announcements = commit(call.state, repository, branch, message);
        call.later(() => Promise.all(announcements.map(announce)));
        return redirectTo(`/${repository.fullName}`);
      },
    },
  ];
}

/** Moves the branch, and has every App told that is installed there and listens to pushes. */
export function commit(state: State, repository: Repository, branch: string, message = 'A change'): Announcement[] {
  const id = newSha();
  const push: Push = { ref: `refs/heads/${branch}`, commits: [{ id, message }] };
  repository.messages.set(id, message);
  const payload = pushPayload(state, repository, push);
  return [...state.installations.values()].flatMap((installation): Announcement[] => {
    const app = state.apps.get(installation.appId);
    const told = installation.repositoryIds.has(repository.id) && installation.suspendedAt === undefined;
    if (!app?.events.includes('push') || !told) return [];
    return [{ app, event: 'push', payload: { ...payload, installation: short(installation) } }];
  });
}

function find({ state, params }: Call): Repository | undefined {
  const fullName = `${params['owner']}/${params['repo']}`.toLowerCase();
  return [...state.repositories.values()].find((one) => one.fullName.toLowerCase() === fullName);
}

function show(state: State, repository: Repository): Answer {
  const runs = [...state.runs.values()].filter((run) => run.repositoryId === repository.id).reverse();
  const body = html`<ul>${[...repository.branches].map(([name, sha]) => html`<li>${name}: <code>${sha.slice(0, 12)}</code></li>`)}</ul>
<form method="post" action="/${repository.fullName}/simulated-push"><fieldset><legend>Push a commit</legend>
<p><label for="branch">Branch</label><br>
<input type="text" id="branch" name="branch" value="${repository.defaultBranch}" required></p>
<p><label for="message">Message</label><br><input type="text" id="message" name="message" value="A change" required></p>
<p><button type="submit">Push a commit</button></p></fieldset></form>
<h2>Workflow runs</h2>
${runs.length === 0 && html`<p>None yet.</p>`}
<table><tr><th>Run</th><th>Title</th><th>Branch</th><th>Commit</th><th>State</th></tr>${runs.map(
    (
      run,
    ) => html`<tr><td>${run.workflowName} #${run.runNumber}</td><td>${run.displayTitle}</td><td>${run.headBranch}</td>
<td><code>${run.headSha.slice(0, 12)}</code></td><td>${run.conclusion ?? run.status}</td></tr>`,
  )}</table>
<p><a href="/${repository.fullName}">Look again</a></p>`;
  return page(state, repository.fullName, body);
}
