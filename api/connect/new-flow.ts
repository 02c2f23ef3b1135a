import { z } from 'zod';
import { maxAppNameLength } from '../../domain/connect/github-manifest.ts';
import { exampleId, id, name } from '../http/input.ts';

/** A login of GitHub's: letters, digits and single hyphens, 39 at most. */
const login = z
  .string()
  .regex(/^[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}$/i, 'must be the login of an account')
  .meta({ examples: ['acme'] });

export const NewFlow = z
  .strictObject({
    app: z
      .enum(['manifest', 'operator', 'own'])
      .default('manifest')
      .describe(
        '`manifest` makes a GitHub App of your own; `operator` installs the one that the operator has configured; `own` installs the App of `integration_id` on one more account',
      ),
    project_id: id('prj')
      .optional()
      .describe('Whose the integration will be; not needed where you reach one project only'),
    org_id: id('org').optional().describe('Without `project_id`, the integration belongs to the organization'),
    integration_id: id('int').optional().describe('With `"app":"own"`'),
    owner: login
      .optional()
      .describe(
        'The organization on GitHub; without it a new App is made for your own account. GitHub shows the account of a new App at once; that of another App needs `owner_id`',
      ),
    owner_id: z.int().positive().optional().describe('GitHub’s number of the account, which GitHub then shows at once'),
    installation_id: z
      .int()
      .positive()
      .optional()
      .describe('An installation that is there already; not with `manifest`'),
    host_url: z
      .url()
      .max(300)
      .optional()
      .meta({ examples: ['https://github.com'] }),
    api_url: z.url().max(300).optional().describe('Where it is not the usual one of that host'),
    app_name: z.string().trim().min(1).max(maxAppNameLength).optional().describe('Unique on all of GitHub'),
    public: z.boolean().default(false).describe('Whether other accounts than its owner’s may install the new App'),
    display_name: name.optional(),
    redirect_url: z.string().max(2_000).optional().describe('Where the browser goes in the end'),
  })
  .meta({
    id: 'NewFlow',
    examples: [
      {
        app: 'manifest',
        project_id: exampleId('prj'),
        owner: 'acme',
        redirect_url: 'https://console.example.com/connected',
      },
    ],
  });
export type NewFlow = z.output<typeof NewFlow>;
