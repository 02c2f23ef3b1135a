import { ok, type Route } from '../answers.ts';

/** The public facts about a GitHub. Only Enterprise Server shows its version. */
export const metaRoutes: Route[] = [
  {
    method: 'GET',
    path: '/meta',
    handle: ({ state: { flavour, enterpriseVersion } }) =>
      ok({
        verifiable_password_authentication: false,
        ...(flavour === 'ghes' && { installed_version: enterpriseVersion }),
      }),
  },
];
