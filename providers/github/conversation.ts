import type { GitHubHost } from '../../domain/github/github-host.ts';
import type { Request, send } from './client.ts';

type Sending<Data> = Parameters<typeof send<Data, unknown>>[1];

type Converting<Data, Result> = Parameters<typeof send<Data, Result>>[2];

/** What all requests with one token share. */
export type Conversation = {
  host: GitHubHost;
  request: Request;
  read<Data, Result>(request: Sending<Data>, convert: Converting<Data, Result>): Promise<Result>;
  /** A POST. `conflict` returns the result if a 409 is an expected answer. */
  write<Data, Result>(
    request: Sending<Data>,
    convert: Converting<Data, Result>,
    options?: { dispatch?: boolean; conflict?: () => Result },
  ): Promise<Result>;
};

/** Splits `owner/name` for GitHub's routes. */
export function split(fullName: string): { owner: string; repo: string } {
  const [owner = '', repo = ''] = fullName.split('/');
  return { owner, repo };
}
