import { randomBytes } from 'node:crypto';
import { createGitTokens } from '../../../broker/exchange/git-tokens.ts';
import { createImageCredentials } from '../../../broker/exchange/image-credentials.ts';
import type { CredentialWish } from '../../../broker/registries/registry-access.ts';
import type { Scope } from '../../../domain/people/scopes.ts';
import type { RegistryCredential } from '../../../domain/registries/registry-purposes.ts';
import { startApi } from '../api.ts';
import { openTestDatabase } from '../database.ts';
import { addGithubApp, keyring } from '../hooks.ts';
import { type Somebody, somebody } from '../programs/commands.ts';
import { seed } from './seed.ts';
import { addOrg, addProject, addToken } from './tenants.ts';
import { world } from './world.ts';

type Given = { host: string; purpose: string; repositories: string[]; password: string };
type Changes = Partial<RegistryCredential>;

let lastNumber = 700_000;

/** The API with projects that have a GitHub and registries, and a person who uses the commands. */
export async function commandsScene() {
  const database = await openTestDatabase();
  const rows = seed(database);
  /** Every registry credential and GitHub token that was minted, in order. */
  const made: Given[] = [];
  const minted: { token: string; repositoryIds: number[] }[] = [];
  const registries = new Map<string, string>();
  const people: Somebody[] = [];
  let change: (wish: CredentialWish) => Promise<Changes> = async () => ({});

  const access = {
    async credential(integrationId: string, wish: CredentialWish): Promise<RegistryCredential> {
      const { repositories, purpose } = wish;
      const host = registries.get(integrationId) ?? '';
      const credential: RegistryCredential = {
        host,
        username: 'robot$team',
        password: randomBytes(18).toString('hex'),
        expiresAt: Date.now() + 3_600_000,
        effective: { repositories, actions: [purpose], narrowedTo: 'repository' },
        ...(await change(wish)),
      };
      made.push({ host, purpose, repositories, password: credential.password });
      return credential;
    },
  };
  const broker = {
    asApp: async () => ({
      async mintToken({
        permissions = {},
        repositoryIds = [],
      }: {
        permissions?: Record<string, string>;
        repositoryIds?: number[];
      }) {
        const token = `ghs_${randomBytes(18).toString('hex')}`;
        minted.push({ token, repositoryIds });
        return { token, expiresAt: Date.now() + 3_600_000, permissions };
      },
    }),
    revokeToken: async () => {},
  };
  const api = await startApi({
    database,
    gitTokens: createGitTokens({ database, keyring, broker }),
    imageCredentials: createImageCredentials({ database, keyring, access }),
  });

  /** A project with an app of a repository `<owner>/shop` at this GitHub. */
  async function project(hostUrl = 'https://github.com', owner = 'acme') {
    const orgId = await addOrg(database);
    const projectId = await addProject(database, orgId);
    lastNumber += 1;
    const github = await addGithubApp(database, { appId: lastNumber, secret: 'a-secret-of-this-test', hostUrl });
    const permissions = JSON.stringify({ contents: 'read', metadata: 'read' });
    const { installationId, appId } = await world(database, {
      owner: { orgId, projectId },
      githubAppId: github.id,
      installation: { permissions },
      repository: { owner, name: 'shop', full_name: `${owner}/shop` },
      integration: { host_url: hostUrl },
    });

    async function addRepository(name: string): Promise<string> {
      lastNumber += 1;
      return rows.repository(
        { githubAppId: github.id, installationId, externalId: lastNumber },
        { owner, name, full_name: `${owner}/${name}` },
      );
    }

    async function registry(host = 'registry.example.com', kind = 'oci'): Promise<string> {
      const id = await rows.registry(
        { orgId, projectId },
        { kind, host_url: `https://${host}`, settings: JSON.stringify({ registry: host, username: 'robot' }) },
      );
      registries.set(id, host);
      return id;
    }

    return {
      orgId,
      projectId,
      appId,
      addRepository,
      registry,
      token: async (scopes?: Scope[], narrow = false) => {
        const narrowedTo = narrow ? { narrowedTo: { appId } } : {};
        return (await addToken(database, { orgId, projectId, ...narrowedTo }, scopes)).secret;
      },
    };
  }

  /** A person without a login and with an empty environment. */
  function person(env: Record<string, string> = {}, bin?: string): Somebody {
    const one = somebody(env, bin);
    people.push(one);
    return one;
  }

  return {
    api,
    database,
    made,
    minted,
    project,
    person,
    /** Sets the credentials that the registries return from now on. */
    answer: (next: typeof change) => {
      change = next;
    },
    async stop() {
      await api.stop();
      for (const one of people) one.leave();
    },
  };
}

export type CommandsScene = Awaited<ReturnType<typeof commandsScene>>;
export type CommandsProject = Awaited<ReturnType<CommandsScene['project']>>;
