/** What a caller may do. `ops` is outside the roles and covers all organizations. */
export const scopes = [
  'org:read',
  'org:admin',
  'projects:read',
  'projects:write',
  'integrations:read',
  'integrations:write',
  'integrations:delete',
  'clouds:read',
  'clouds:write',
  'credentials:exchange',
  'credentials:rotate',
  'pipelines:read',
  'pipelines:write',
  'builds:read',
  'builds:trigger',
  'builds:approve',
  'builds:cancel',
  'deliveries:read',
  'deliveries:replay',
  'incidents:read',
  'incidents:resolve',
  'audit:read',
  'tokens:admin',
  'ops',
] as const;

export type Scope = (typeof scopes)[number];

export const roles = ['viewer', 'developer', 'admin', 'owner'] as const;

export type Role = (typeof roles)[number];

const viewer = scopes.filter((scope) => scope.endsWith(':read') && scope !== 'audit:read');
const developer: Scope[] = [
  ...viewer,
  'pipelines:write',
  'builds:trigger',
  'builds:approve',
  'builds:cancel',
  'deliveries:replay',
  'credentials:exchange',
];
const admin: Scope[] = [
  ...developer,
  'projects:write',
  'integrations:write',
  'integrations:delete',
  'clouds:write',
  'credentials:rotate',
  'incidents:resolve',
  'audit:read',
  'tokens:admin',
];

/** The scopes of each role. Each role has all scopes of the one before it. */
export const roleScopes: Readonly<Record<Role, readonly Scope[]>> = {
  viewer,
  developer,
  admin,
  owner: [...admin, 'org:admin'],
};
