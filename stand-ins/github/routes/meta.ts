import { ok, type Route } from '../answers.ts';

/** What a GitHub says of itself to anybody; its version only where it is an Enterprise Server. */
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
