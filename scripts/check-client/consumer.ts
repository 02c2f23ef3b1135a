// Uses the client that openapi-typescript generates from docs/openapi.json. The check compiles this file and never runs
// it. The lines after `@ts-expect-error` must not compile, so types that are empty or `any` fail the check.
import createClient from 'openapi-fetch';
import type { components, paths } from './api.d.ts';

const client = createClient<paths>({ baseUrl: 'http://localhost:8080', headers: { authorization: 'Bearer flt_…' } });

export async function listProjects(): Promise<string[]> {
  const { data, error } = await client.GET('/v1/projects', { params: { query: { limit: 50 } } });
  if (error) throw new Error(`${error.code}: ${error.detail ?? error.title}`);
  // @ts-expect-error A project has no such field.
  data[0]?.nothing;
  return data.map(({ name }) => name);
}

export async function renameIntegration(integration: string, name: string) {
  const metadata = { owner: 'shop', nested: { tags: ['a', 1, null, { deep: true }] } };
  const { data, response } = await client.PATCH('/v1/integrations/{integration}', {
    params: { path: { integration }, header: { 'If-Match': '"3"' } },
    body: { display_name: name, metadata },
  });
  const status: components['schemas']['Problem']['status'] = response.status;
  return { status, renamed: data?.display_name };
}

export async function waitForBuild(build: string): Promise<boolean> {
  const { data } = await client.GET('/v1/builds/{build}', { params: { path: { build } } });
  return data?.status === 'succeeded';
}

// @ts-expect-error The path needs its parameter.
client.GET('/v1/builds/{build}', { params: {} });
// @ts-expect-error There is no such route.
client.GET('/v1/nothing', {});
client.PATCH('/v1/integrations/{integration}', {
  params: { path: { integration: 'int_1' } },
  // @ts-expect-error A name is text.
  body: { display_name: 7 },
});
