import { randomBytes } from 'node:crypto';
import { type Answer, type Call, type Page, Refused } from '../answers.ts';
import { hidden, html, page, redirectTo } from '../html.ts';
import { slugOf } from '../routes/registration.ts';
import type { Account, Manifest, State } from '../state.ts';
import { field, requireOwned } from './accounts.ts';

const hour = 3_600_000;

/** "Create GitHub App from manifest": what the form of another site brings here, and the click that agrees to it. */
export const manifestPages: Page[] = [
  { method: 'POST', path: '/settings/apps/new', handle: (call) => confirm(call, call.state.person) },
  {
    method: 'POST',
    path: '/organizations/{org}/settings/apps/new',
    handle: (call) => confirm(call, requireOwned(call)),
  },
  { method: 'POST', path: '/settings/apps/manifest', handle: (call) => create(call, call.state.person) },
  {
    method: 'POST',
    path: '/organizations/{org}/settings/apps/manifest',
    handle: (call) => create(call, requireOwned(call)),
  },
];

function confirm(call: Call, owner: Account, problem?: string): Answer {
  const { state, query } = call;
  const manifest = readManifest(field(call, 'manifest'));
  const wrong = mistakesIn(manifest);
  if (wrong.length > 0) return refuse(state, wrong);
  const name = field(call, 'name') ?? manifest.name ?? '';
  const settings = owner.type === 'Organization' ? `/organizations/${owner.login}/settings` : '/settings';
  const body = html`
<p>${manifest.url ?? ''} asks to register a GitHub App. You may choose another name.</p>
${problem && html`<p role="alert">${problem}</p>`}
<form method="post" action="${settings}/apps/manifest">
${hidden({ manifest: JSON.stringify(manifest), state: query.get('state') ?? field(call, 'state') })}
<p><label for="name">GitHub App name</label><br>
<input type="text" id="name" name="name" value="${name}" maxlength="34" required></p>
<h2>Permissions</h2>
<ul>${Object.entries(manifest.default_permissions ?? {}).map(([what, level]) => html`<li>${what}: ${level}</li>`)}</ul>
<h2>Events</h2>
<p>${(manifest.default_events ?? []).join(', ') || 'None'}</p>
<p>Webhook: ${manifest.hook_attributes?.url ?? 'none'}</p>
<p><button type="submit">Create GitHub App for @${owner.login}</button></p>
</form>`;
  return page(state, `Create GitHub App for @${owner.login}`, body, problem ? 422 : 200);
}

function create(call: Call, owner: Account): Answer {
  const { state } = call;
  const manifest = readManifest(field(call, 'manifest'));
  const wrong = mistakesIn(manifest);
  if (wrong.length > 0) return refuse(state, wrong);
  const name = field(call, 'name') ?? '';
  const problem = problemOfName(state, name, owner);
  if (problem) return confirm(call, owner, problem);
  const code = randomBytes(20).toString('hex');
  state.manifestCodes.set(code, { manifest: { ...manifest, name }, owner, expiresAt: state.now() + hour });
  return redirectTo(manifest.redirect_url ?? '', { code, state: field(call, 'state') });
}

function readManifest(text = ''): Manifest {
  try {
    const value: unknown = JSON.parse(text);
    if (value && typeof value === 'object' && !Array.isArray(value)) return value as Manifest;
  } catch {
    // Said below.
  }
  throw new Refused(422, 'The manifest is not a JSON object.');
}

const known = [
  ...['name', 'url', 'hook_attributes', 'redirect_url', 'callback_urls', 'setup_url', 'description', 'public'],
  ...['default_events', 'default_permissions', 'request_oauth_on_install', 'setup_on_update'],
];

/** What GitHub would refuse, in words of our own. */
export function mistakesIn(manifest: Manifest): string[] {
  const { name, callback_urls: callbacks = [], hook_attributes: hook, default_events: events = [] } = manifest;
  const flags = ['public', 'request_oauth_on_install', 'setup_on_update'] as const;
  const isMap = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const complaints: [boolean, string][] = [
    [typeof name !== 'string' || name === '', 'name is required'],
    [typeof name === 'string' && name.length > 34, 'name is too long (maximum is 34 characters)'],
    [!isAddress(manifest.url), 'url must be a valid URL'],
    [!isAddress(manifest.redirect_url), 'redirect_url must be a valid URL'],
    [hook !== undefined && !isAddress(hook?.url), 'hook_attributes.url must be a valid URL'],
    [manifest.setup_url !== undefined && !isAddress(manifest.setup_url), 'setup_url must be a valid URL'],
    [!Array.isArray(callbacks) || !callbacks.every(isAddress), 'callback_urls must be valid URLs'],
    [Array.isArray(callbacks) && callbacks.length > 10, 'callback_urls may have no more than 10 URLs'],
    [!Array.isArray(events) || !events.every((one) => typeof one === 'string'), 'default_events must be a list'],
    [!isMap(manifest.default_permissions ?? {}), 'default_permissions must be an object'],
    [
      Object.values(manifest.default_permissions ?? {}).some((level) => !['read', 'write', 'admin'].includes(level)),
      'default_permissions must be read, write or admin',
    ],
    [
      manifest.request_oauth_on_install === true && manifest.setup_url !== undefined,
      'setup_url cannot be set together with request_oauth_on_install',
    ],
    ...flags.map((flag): [boolean, string] => [
      !['boolean', 'undefined'].includes(typeof manifest[flag]),
      `${flag} must be true or false`,
    ]),
    ...Object.keys(manifest).map((key): [boolean, string] => [!known.includes(key), `${key} is unknown`]),
  ];
  return complaints.flatMap(([isWrong, text]) => (isWrong ? text : []));
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

/** Unique among all Apps, and no other account's name. */
function problemOfName({ apps, accounts }: State, name: string, owner: Account): string | undefined {
  if (name === '' || name.length > 34 || slugOf(name) === '') return 'Name must have 1 to 34 characters.';
  const slug = slugOf(name);
  const taken =
    [...apps.values()].some((one) => one.slug === slug) ||
    [...accounts.values()].some((one) => one.id !== owner.id && one.login.toLowerCase() === slug);
  return taken ? `Name ${name} is already taken. Choose another.` : undefined;
}

function refuse(state: State, wrong: string[]): Answer {
  const body = html`<p role="alert">The manifest was refused:</p><ul>${wrong.map((text) => html`<li>${text}</li>`)}</ul>`;
  return page(state, 'Invalid GitHub App configuration', body, 422);
}
