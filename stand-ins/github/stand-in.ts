import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { addCode } from './access/oauth.ts';
import type { TokenFormat } from './access/tokens.ts';
import { checkExchange } from './contract.ts';
import { changesOf } from './events/changes.ts';
import type { Push } from './events/move-ref.ts';
import * as payloads from './events/payloads.ts';
import { checkRunRerequestedPayload, checkSuiteRerequestedPayload } from './events/payloads-of-checks.ts';
import { pingPayload } from './events/payloads-of-hooks.ts';
import { createWebhooks, type Payload, type SendWebhook } from './events/webhooks.ts';
import { createFaults } from './faults.ts';
import { type Announcement, approve, requestInstallation, type Selection } from './installing.ts';
import { createMemory } from './memory.ts';
import { actionsRoutes } from './routes/actions.ts';
import { appRoutes } from './routes/app.ts';
import { authorizationRoutes } from './routes/authorizations.ts';
import { checkRoutes } from './routes/checks.ts';
import { hookRoutes } from './routes/hooks.ts';
import { metaRoutes } from './routes/meta.ts';
import { registrationRoutes } from './routes/registration.ts';
import { reportRoutes } from './routes/reports.ts';
import { repositoryRoutes } from './routes/repositories.ts';
import { userRoutes } from './routes/users.ts';
import { insertRun, type NewRun } from './runs.ts';
import {
  insertApp,
  insertInstallation,
  insertOwnRepository,
  insertRepository,
  type NewApp,
  type NewInstallation,
  type NewRepository,
} from './seeds.ts';
import { addressOf, type Certificate, createGitHubServer, type Exchange, type LedgerEntry, listen } from './server.ts';
import {
  type Account,
  type App,
  type CheckRun,
  createState,
  type Flavour,
  type Installation,
  type InstallationRequest,
  type Manifest,
  newSha,
  type Repository,
  type Run,
} from './state.ts';
import { appSettingsPages } from './web/apps.ts';
import { installPages } from './web/install.ts';
import { manifestPages } from './web/manifest.ts';
import { repositoryPages } from './web/repository.ts';
import { requestPages } from './web/requests.ts';
import { settingsPages } from './web/settings.ts';
import { simulatePages } from './web/simulate.ts';

export type { Account, App, Installation, InstallationRequest, Repository, Run } from './state.ts';
export type { LedgerEntry };

export type GitHubStandIn = Awaited<ReturnType<typeof startGitHub>>;

export type StandInOptions = {
  /** github.com; a tenant of ghe.com, whose API has its own address; or an Enterprise Server. */
  flavour?: Flavour;
  /** The version of an Enterprise Server. */
  enterpriseVersion?: string;
  /** If set, everything is served over HTTPS. */
  certificate?: Certificate;
  port?: number;
  tokenFormat?: TokenFormat;
  /** Where the stand-in stores its state between runs. Without it the state is lost at the end. */
  memoryFile?: string;
};

const hour = 3_600_000;

/**
 * A simulated GitHub on 127.0.0.1 with a memory: Apps, tokens, repositories, runs and webhooks behave as GitHub's do.
 */
export async function startGitHub(options: StandInOptions = {}) {
  const { flavour = 'github.com', port = 0, tokenFormat = 'classic', memoryFile } = options;
  const state = createState(flavour, options.enterpriseVersion ?? '3.19.0');
  const memory = memoryFile === undefined ? undefined : createMemory(state, memoryFile);
  memory?.recall();
  const faults = createFaults();
  const ledger: LedgerEntry[] = [];
  const violations: string[] = [];
  const webhooks = createWebhooks(state);
  const settings = {
    /** Whether dispatched runs succeed automatically, with their webhooks. */
    autoRuns: false,
    /** How long such a run stays queued, and then in progress. */
    runStepMs: 50,
    /** Whether actions over the API (uninstalling, suspending, cancelling) send a webhook. */
    autoWebhooks: false,
    /** Whether actions in a browser send a webhook. */
    browserWebhooks: true,
    /** Whether the first "Authorize" shows a page with two buttons, or is granted at once. */
    askToAuthorize: false,
  };
  const closing = new AbortController();

  const appOf = (id: number) => state.apps.get(id);
  const onInstallation = (installation: Installation, action: string) => {
    const payload = payloads.installationPayload(state, installation, action);
    if (settings.autoWebhooks) void sendIfAnyone(appOf(installation.appId), 'installation', payload);
  };
  const routes = [
    ...appRoutes(tokenFormat, onInstallation),
    ...repositoryRoutes,
    ...actionsRoutes({
      dispatched: (run) => void playRun(run),
      rerun: (run) => void playRun(run),
      cancelled: (run) => void announce(progressRun(run, { status: 'completed', conclusion: 'cancelled' }), run),
    }),
    ...reportRoutes,
    ...hookRoutes((guid) => webhooks.redeliver(guid)),
    ...registrationRoutes((app) => {
      if (settings.autoWebhooks) void sendIfAnyone(app, 'ping', pingPayload(app));
    }),
    ...userRoutes,
    ...authorizationRoutes,
    ...checkRoutes,
    ...metaRoutes,
  ];
  const observe = (exchange: Exchange) => void violations.push(...checkExchange(exchange));
  const pages = [
    ...manifestPages,
    ...installPages(announceFromBrowser),
    ...appSettingsPages,
    ...settingsPages(announceFromBrowser),
    ...requestPages(announceFromBrowser),
    ...simulatePages,
    ...repositoryPages(announceFromBrowser),
  ];
  const serve = createGitHubServer({
    state,
    routes,
    pages,
    faults,
    settings,
    ledger,
    observe,
    certificate: options.certificate,
  });
  const server = await listen(serve(), port);
  state.url = addressOf(server, options.certificate);
  const apiServer = flavour === 'ghe.com' ? await listen(serve('api')) : undefined;
  state.apiUrl = apiServer
    ? addressOf(apiServer, options.certificate)
    : `${state.url}${flavour === 'ghes' ? '/api/v3' : ''}`;

  // If it is killed, it loses a second at most.
  const keeping = memory && setInterval(() => memory.keep(), 1000).unref();

  /** A receiver that is down misses the webhook, as with GitHub. The delivery log keeps it. */
  async function sendIfAnyone(app: App | undefined, event: string, payload: Payload): Promise<void> {
    if (!app?.hookUrl || !app.hookActive || closing.signal.aborted) return;
    await webhooks.send({ app, event, payload }).catch(() => undefined);
  }

  async function announceFromBrowser({ app, event, payload }: Announcement): Promise<void> {
    if (settings.browserWebhooks) await sendIfAnyone(app, event, payload);
  }

  async function announce(payload: Payload, run: Run): Promise<void> {
    if (settings.autoRuns || settings.autoWebhooks) await sendIfAnyone(appOf(run.appId), 'workflow_run', payload);
  }

  async function playRun(run: Run): Promise<void> {
    if (!settings.autoRuns) return;
    // A re-run announces nothing before it is in progress.
    if (run.attempt === 1) await announce(payloads.workflowRunPayload(state, run), run);
    for (const step of [{ status: 'in_progress' }, { status: 'completed', conclusion: 'success' }]) {
      await sleep(settings.runStepMs);
      if (run.status === 'completed' || closing.signal.aborted) return;
      await announce(progressRun(run, step), run);
    }
  }

  function progressRun(run: Run, { status, conclusion }: { status: string; conclusion?: string }): Payload {
    Object.assign(run, { status, conclusion: conclusion ?? null, updatedAt: state.now() });
    return payloads.workflowRunPayload(state, run);
  }

  return Object.assign(settings, {
    url: state.url,
    apiUrl: state.apiUrl,
    state,
    ledger,
    faults,
    clock: state.clock,
    /** Requests and responses that GitHub's OpenAPI document does not allow. */
    violations,

    requests({ method, path }: { method?: string; path?: RegExp } = {}): LedgerEntry[] {
      return ledger.filter(
        (entry) => (method === undefined || entry.method === method) && (path === undefined || path.test(entry.path)),
      );
    },

    addApp: (input: NewApp = {}): App => insertApp(state, input),
    addInstallation: (app: App, input: NewInstallation = {}): Installation => insertInstallation(state, app, input),
    addRepository: (installation: Installation, input: NewRepository = {}): Repository =>
      insertRepository(state, installation, input),

    /** Adds a code as the browser brings it back after "Create GitHub App". It works once, within an hour. */
    addManifestCode(manifest: Manifest = {}, owner: Account = state.person): string {
      const code = randomBytes(20).toString('hex');
      state.manifestCodes.set(code, { manifest, owner, expiresAt: state.now() + hour });
      return code;
    },
    /** Adds a code as the browser brings it back after "Authorize". It works once, within ten minutes. */
    addOAuthCode(app: App, { user = state.person, challenge }: { user?: Account; challenge?: string } = {}): string {
      return addCode(state, app, { user, challenge, redirectUri: undefined });
    },
    /** Adds a membership. Members see the organization's installations; an admin can act for it. */
    addMembership(organization: Account, user: Account = state.person, role: 'admin' | 'member' = 'member'): void {
      state.accounts.set(organization.id, organization).set(user.id, user);
      state.memberships.push({ organization, user, role });
    },
    /** Adds a repository without an installation. Its account can choose it in the browser. */
    addOwnRepository: (account: Account, input: NewRepository = {}): Repository =>
      insertOwnRepository(state, account, input),

    /** Makes this account the person in the browser from now on. */
    signInAs(account: Account): void {
      state.accounts.set(account.id, account);
      state.person = account;
    },
    requestInstallation: (app: App, account: Account, requester: Account = state.person): InstallationRequest =>
      requestInstallation(state, app, account, requester),
    /** Approves a request as an owner of the account does. If no repositories are named, it selects all. */
    async approveRequest(request: InstallationRequest, selection: Selection = 'all'): Promise<Installation> {
      const { installation, announcement } = approve(state, request, selection);
      await announceFromBrowser(announcement);
      return installation;
    },
    /** Denies a request. GitHub sends no webhook for this. */
    denyRequest(request: InstallationRequest): void {
      state.installationRequests.delete(request.id);
    },

    // What an owner does by hand. Each returns the payload of the webhook that follows it.
    suspend(installation: Installation): Payload {
      installation.suspendedAt = state.now();
      return payloads.installationPayload(state, installation, 'suspend');
    },
    unsuspend(installation: Installation): Payload {
      installation.suspendedAt = undefined;
      return payloads.installationPayload(state, installation, 'unsuspend');
    },
    uninstall(installation: Installation): Payload {
      state.installations.delete(installation.id);
      return payloads.installationPayload(state, installation, 'deleted');
    },
    renameRepository(repository: Repository, name: string): Payload {
      const from = repository.name;
      state.renamed.set(repository.fullName.toLowerCase(), repository.id);
      Object.assign(repository, { name, fullName: `${repository.owner}/${name}` });
      state.renamed.delete(repository.fullName.toLowerCase());
      return payloads.repositoryRenamedPayload(state, repository, from);
    },
    ...changesOf(state),
    /** Disables a workflow, by its file's name. */
    disableWorkflow(repository: Repository, file: string): void {
      repository.disabledWorkflows.add(`.github/workflows/${file}`);
    },
    /** "Re-run" at one check run, and "Re-run all checks" at its commit. */
    rerunCheck: (check: CheckRun): Payload => checkRunRerequestedPayload(state, check),
    rerunAllChecks: (check: CheckRun): Payload => checkSuiteRerequestedPayload(state, check),
    /** Removes the repository from the installation. */
    removeRepository(repository: Repository): Payload {
      const installation = state.installations.get(repository.installationId);
      if (!installation) throw new Error(`The installation of ${repository.fullName} is gone`);
      installation.repositoryIds.delete(repository.id);
      return payloads.installationRepositoriesPayload(state, installation, { removed: [repository] });
    },

    push: (repository: Repository, push: Push) => payloads.pushPayload(state, repository, push),
    pullRequest: (repository: Repository, input: payloads.PullRequest = {}) =>
      payloads.pullRequestPayload(state, repository, input),
    installationPayload: (installation: Installation, action = 'created') =>
      payloads.installationPayload(state, installation, action),
    repositoriesAdded: (installation: Installation, added: Repository[]) =>
      payloads.installationRepositoriesPayload(state, installation, { added }),
    /** Adds a run that was not dispatched over the API, such as that of a push. */
    startRun(repository: Repository, input: Partial<NewRun> = {}): Run {
      const appId = state.installations.get(repository.installationId)?.appId ?? 0;
      const path = [...repository.files.keys()].find((one) => one.startsWith('.github/workflows/'));
      const headBranch = input.headBranch ?? repository.defaultBranch;
      return insertRun(state, repository, {
        appId,
        path: path ?? '.github/workflows/ci.yml',
        workflowName: 'CI',
        displayTitle: 'A change',
        inputs: {},
        event: 'push',
        headSha: repository.branches.get(headBranch) ?? newSha(),
        ...input,
        headBranch,
      });
    },
    progressRun,

    sendWebhook: (input: SendWebhook): Promise<Response> => webhooks.send(input),
    redeliver: (guid: string): Promise<Response> => webhooks.redeliver(guid),

    async close(): Promise<void> {
      closing.abort();
      clearInterval(keeping);
      for (const one of apiServer ? [server, apiServer] : [server]) {
        one.closeAllConnections();
        await new Promise((resolve) => one.close(resolve));
      }
      memory?.keep();
    },
  });
}
