import { type GitHubStandIn, type StandInOptions, startGitHub as start } from '../../stand-ins/github/stand-in.ts';
import { noteClosed, noteOpen } from './fakes/open-stand-ins.ts';

/**
 * Starts a stand-in for GitHub. Closing it fails the test if a request or a response has violated GitHub's OpenAPI
 * document. A test that does so on purpose removes the expected `violations`.
 */
export async function startGitHub(options?: StandInOptions): Promise<GitHubStandIn> {
  const github = await start(options);
  const { close } = github;
  noteOpen(github);
  return Object.assign(github, {
    async close() {
      noteClosed(github);
      await close();
      const { violations } = github;
      if (violations.length > 0) throw new Error(`GitHub’s OpenAPI document was broken:\n${violations.join('\n')}`);
    },
  });
}
