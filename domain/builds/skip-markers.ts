const markers = ['[skip ci]', '[ci skip]', '[no ci]', '[skip actions]', '[actions skip]'];

/**
 * Finds a request in a commit message not to build: one of the markers anywhere, or the trailer `skip-checks: true` at
 * its end (https://docs.github.com/actions/how-tos/manage-workflow-runs/skip-workflow-runs). GitHub obeys markers for
 * push and pull_request only and not for a dispatch, so Fairlead checks them. Pass the message of the head commit.
 */
export function skipMarker(message: string | undefined): string | undefined {
  if (!message) return undefined;
  const lower = message.toLowerCase();
  return markers.find((marker) => lower.includes(marker)) ?? trailer(lower);
}

/** Trailers are the lines of the last paragraph, unless that paragraph is the subject. */
function trailer(message: string): string | undefined {
  const paragraphs = message.trim().split(/\n[ \t\r]*\n/);
  if (paragraphs.length < 2) return undefined;
  const lines = (paragraphs.at(-1) ?? '').split('\n').map((line) => line.trim());
  return lines.some((line) => /^skip-checks:[ \t]*true$/.test(line)) ? 'skip-checks: true' : undefined;
}
