// Reduces GitHub's OpenAPI document to the operations of the GitHub stand-in, and writes
// stand-ins/github/contract.json. The document comes from npm with a pinned version. It is not installed, because it
// takes 70 MB. `--check` writes nothing and fails if the committed file differs.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const source = {
  package: '@octokit/openapi@23.0.2',
  // The value from `npm view @octokit/openapi@23.0.2 dist.integrity`.
  integrity: 'sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==',
  file: 'package/generated/api.github.com.json',
};
const target = path.join(import.meta.dirname, '..', 'stand-ins', 'github', 'contract.json');

const operations = [
  'GET /meta',
  'GET /app',
  'GET /app/installations',
  'GET /app/installation-requests',
  'GET /app/installations/{installation_id}',
  'DELETE /app/installations/{installation_id}',
  'PUT /app/installations/{installation_id}/suspended',
  'DELETE /app/installations/{installation_id}/suspended',
  'POST /app/installations/{installation_id}/access_tokens',
  'GET /app/hook/config',
  'PATCH /app/hook/config',
  'GET /app/hook/deliveries',
  'GET /app/hook/deliveries/{delivery_id}',
  'POST /app/hook/deliveries/{delivery_id}/attempts',
  'POST /app-manifests/{code}/conversions',
  'GET /installation/repositories',
  'DELETE /installation/token',
  'GET /user',
  'GET /user/installations',
  'GET /user/memberships/orgs',
  'GET /user/memberships/orgs/{org}',
  'POST /applications/{client_id}/token',
  'DELETE /applications/{client_id}/token',
  'DELETE /applications/{client_id}/grant',
  'GET /repos/{owner}/{repo}',
  'GET /repos/{owner}/{repo}/branches',
  'GET /repos/{owner}/{repo}/branches/{branch}',
  'GET /repos/{owner}/{repo}/compare/{basehead}',
  'GET /repos/{owner}/{repo}/git/matching-refs/{ref}',
  'GET /repos/{owner}/{repo}/git/commits/{commit_sha}',
  'GET /repos/{owner}/{repo}/contents/{path}',
  'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}',
  'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches',
  'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs',
  'GET /repos/{owner}/{repo}/actions/runs',
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}',
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel',
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun',
  'POST /repos/{owner}/{repo}/statuses/{sha}',
  'GET /repos/{owner}/{repo}/commits/{ref}/statuses',
  'POST /repos/{owner}/{repo}/deployments',
  'GET /repos/{owner}/{repo}/deployments',
  'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
  'POST /repos/{owner}/{repo}/check-runs',
  'GET /repos/{owner}/{repo}/check-runs/{check_run_id}',
  'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}',
  'GET /repos/{owner}/{repo}/commits/{ref}/check-runs',
];

/** Fields that are for people or useless for a check. */
const unneeded = new Set([
  'description',
  'summary',
  'title',
  'example',
  'examples',
  'default',
  'deprecated',
  'externalDocs',
  'x-github',
  'x-github-breaking-changes',
  'x-multi-segment',
]);

const contract = cut(corrected(await openApi()));
const text = `${JSON.stringify(contract)}\n`;
if (!process.argv.includes('--check')) {
  writeFileSync(target, text);
  console.log(`${path.relative(process.cwd(), target)}: ${operations.length} operations, ${text.length} characters`);
} else if (readFileSync(target, 'utf8') !== text) {
  console.error(`${target} is not what ${source.package} gives: run node scripts/cut-github-openapi.mjs`);
  process.exit(1);
}

async function openApi() {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-openapi-'));
  try {
    const packing = ['pack', source.package, '--pack-destination', folder, '--json', '--ignore-scripts'];
    const [{ filename }] = JSON.parse(
      execFileSync('npm', packing, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const archive = path.join(folder, filename.replace(/^@/, '').replaceAll('/', '-'));
    const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (digest !== source.integrity) throw new Error(`${source.package} has the integrity ${digest}`);
    // Writes one file to the standard output and unpacks nothing.
    const json = execFileSync('tar', ['-xzOf', archive, source.file], { maxBuffer: 64 * 1024 * 1024 });
    return JSON.parse(json.toString('utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In this list the document requires an account to be a user and an enterprise at once. Elsewhere it says "or". */
function corrected(document) {
  const list = document.paths['/app/installations'].get.responses['200'].content['application/json'];
  if (!list.schema.items.properties.account.allOf) throw new Error('GET /app/installations needs no correction now');
  list.schema = { type: 'array', items: { $ref: '#/components/schemas/installation' } };
  return document;
}

function cut(document) {
  const components = new Map();

  /** Returns a copy without the unneeded fields, and copies the components that it refers to. */
  function copy(node, isMapOfNames = false) {
    if (Array.isArray(node)) return node.map((one) => copy(one));
    if (typeof node !== 'object' || node === null) return node;
    if (typeof node.$ref === 'string') return copyReference(node.$ref);
    const kept = Object.keys(node)
      .filter((key) => isMapOfNames || !unneeded.has(key))
      .sort();
    return Object.fromEntries(kept.map((key) => [key, copy(node[key], key === 'properties' && !isMapOfNames)]));
  }

  /** Schemas stay references, because some are used often. Everything else is inlined. */
  function copyReference($ref) {
    const value = resolve($ref);
    if (!$ref.startsWith('#/components/schemas/')) return copy(value);
    const name = $ref.split('/').at(-1);
    if (!components.has(name)) {
      components.set(name, undefined);
      components.set(name, copy(value));
    }
    return { $ref };
  }

  function resolve($ref) {
    return $ref
      .split('/')
      .slice(1)
      .reduce((node, key) => node[key], document);
  }

  function cutOperation(name) {
    const [method, route] = name.split(' ');
    const operation = document.paths[route]?.[method.toLowerCase()];
    if (!operation) throw new Error(`${source.package} has no ${name}`);
    const { parameters = [], requestBody, responses } = copy(operation);
    return {
      parameters: parameters.map(({ name, in: where, required, schema }) => ({
        name,
        in: where,
        required: required ?? false,
        schema,
      })),
      ...(requestBody && {
        requestBody: {
          required: requestBody.required ?? false,
          schema: closed(requestBody.content['application/json'].schema),
        },
      }),
      // Null means a response without a body.
      responses: Object.fromEntries(
        Object.entries(responses).map(([status, { content }]) => [
          status,
          content?.['application/json']?.schema ?? null,
        ]),
      ),
    };
  }

  const cutOperations = Object.fromEntries(operations.map((name) => [name, cutOperation(name)]));
  const schemas = Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { source: source.package, operations: cutOperations, components: { schemas } };
}

/** GitHub ignores most unknown fields, but the check must report them. */
function closed(schema) {
  if (schema.items) return { ...schema, items: closed(schema.items) };
  if (schema.type !== 'object' || !schema.properties) return schema;
  const properties = Object.entries(schema.properties).map(([name, property]) => [name, closed(property)]);
  return {
    ...schema,
    properties: Object.fromEntries(properties),
    additionalProperties: schema.additionalProperties ?? false,
  };
}
