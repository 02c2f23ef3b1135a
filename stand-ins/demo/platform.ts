import { setTimeout as sleep } from 'node:timers/promises';
import { acme, image, robot, shop } from './town.ts';

type Item = { id: string; name: string; status: string; source: unknown; registry: unknown };

/** The name of the demo's app. */
const appName = 'shop';

/** The code of a platform team: an app with a pipeline and a registry, and a flow to connect GitHub. */
export function createPlatform(api: string, token: string) {
  async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${api}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  const connections = (kind: 'github' | 'oci') => ask<Item[]>('GET', `/v1/integrations?kind=${kind}`);

  async function seedApp(projectId: string): Promise<Item> {
    const apps = `/v1/projects/${projectId}/apps`;
    // The newest app comes first. A person can have added apps, even one with the same name.
    const present = (await ask<Item[]>('GET', `${apps}?limit=200`)).findLast(({ name }) => name === appName);
    if (present) return present;
    const app = await ask<Item>('POST', apps, { name: appName });
    await ask('POST', `/v1/apps/${app.id}/pipelines`, { name: 'deploy', workflow_file: 'deploy.yml' });
    return app;
  }

  /** The connected and verified registry, and the name of the app's images. */
  async function seedRegistry(app: Item, projectId: string, registry: string): Promise<void> {
    if (app.registry) return;
    const of = { provider: 'oci', project_id: projectId, display_name: 'The simulated registry' };
    const [present] = await connections('oci');
    const connected =
      present ??
      (await ask<Item>('POST', '/v1/integrations?wait=10', {
        ...of,
        registry,
        credentials: robot,
        repositories: [image],
      }));
    await ask('PUT', `/v1/apps/${app.id}/registry`, { integration_id: connected.id, image_repository: image });
  }

  return {
    /**
     * Returns the demo's app in the first project. It creates the app, its pipeline and its registry if they are
     * missing.
     */
    async seed(registry: string): Promise<Item & { projectId: string }> {
      const [project] = await ask<Item[]>('GET', '/v1/projects');
      if (!project) throw new Error('The product has no project');
      const app = await seedApp(project.id);
      await seedRegistry(app, project.id, registry);
      return { ...app, projectId: project.id };
    },

    /** Returns the address at which a browser begins to connect the simulated organization. */
    async startFlow(): Promise<string> {
      const body = { owner: acme.login, display_name: 'Acme on the simulated GitHub' };
      const { create_url: url } = await ask<{ create_url: string }>('POST', '/v1/integrations/github/start', body);
      return url;
    },

    isConnected: async (): Promise<boolean> => (await connections('github')).some(isActive),

    /** Sets the app's source as soon as GitHub is connected. */
    async bindSource(appId: string, signal: AbortSignal): Promise<void> {
      const body = { repository_id: shop.id, branch: shop.branch };
      while (!signal.aborted) {
        const integration = (await connections('github')).find(isActive);
        const bound =
          integration &&
          (await ask('PUT', `/v1/apps/${appId}/source`, { integration_id: integration.id, ...body }).then(
            () => true,
            // The repository is known once the installation's repositories are.
            () => false,
          ));
        if (bound) return;
        await sleep(500, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

function isActive({ status }: Item): boolean {
  return status === 'active';
}
