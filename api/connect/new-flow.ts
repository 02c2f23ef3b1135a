import { z } from 'zod';
import { maxAppNameLength } from '../../domain/connect/github-manifest.ts';
import { exampleId, id, lineOfText, name } from '../http/input.ts';

/** A GitHub login: letters, digits and single hyphens, at most 39 characters. */
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
        '`manifest` creates your own GitHub App. `operator` installs the GitHub App of the operator. `own` installs the GitHub App of `integration_id` on another account',
      ),
    project_id: id('prj')
      .optional()
      .describe('The project that will own the integration. You can omit it if you have access to only one project'),
    org_id: id('org').optional().describe('If you omit `project_id`, the organization owns the integration'),
    integration_id: id('int').optional().describe('Only with `"app":"own"`'),
    owner: login
      .optional()
      .describe(
        'The organization on GitHub. If you omit it, a new GitHub App belongs to your own account. For an existing GitHub App, GitHub preselects the account only with `owner_id`',
      ),
    owner_id: z
      .int()
      .positive()
      .optional()
      .describe('The number of the account on GitHub. GitHub then preselects the account'),
    installation_id: z
      .int()
      .positive()
      .optional()
      .describe('The number of an existing installation. Not with `manifest`'),
    host_url: z
      .url()
      .max(300)
      .optional()
      .meta({ examples: ['https://github.com'] }),
    api_url: z.url().max(300).optional().describe('The address of the API, if it is not the usual one of the host'),
    app_name: lineOfText
      .trim()
      .min(1)
      .max(maxAppNameLength)
      .optional()
      .describe('The name of the new GitHub App. It must be unique on GitHub'),
    public: z.boolean().default(false).describe('Whether accounts other than the owner can install the new GitHub App'),
    display_name: name.optional(),
    redirect_url: z.string().max(2_000).optional().describe('Where the browser goes when the flow has ended'),
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
