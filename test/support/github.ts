import { type GitHubStandIn, type StandInOptions, startGitHub as start } from '../../stand-ins/github/stand-in.ts';
import { noteClosed, noteOpen } from './open-stand-ins.ts';

/**
 * Starts a stand-in for GitHub that fails the test when a request or an answer broke GitHub's OpenAPI document. A test
 * that breaks the document on purpose takes what it expects out of `violations`.
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
