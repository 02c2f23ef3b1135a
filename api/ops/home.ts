import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { html, shownPage, showPage } from '../http/html-page.ts';

/** The page at the address that Fairlead prints when it starts. */
export function homeRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/',
      operationId: 'getHome',
      tag: 'service',
      summary: 'Show the home page',
      access: 'public',
      success: shownPage,
      page: true,
      async raw(ctx) {
        showPage(ctx, {
          title: 'Fairlead',
          body: html`<p>Fairlead connects a platform to its users’ GitHub accounts and container registries, and turns pushes into builds.</p>
<ul>
<li><a href="/docs">Read the API reference</a>.</li>
<li>To sign in, open the link that Fairlead printed when it started.</li>
<li><a href="/v1/me">See your permissions</a>, if you are signed in.</li>
</ul>`,
        });
      },
    }),
  ];
}
