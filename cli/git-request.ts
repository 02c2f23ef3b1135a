/**
 * The origin that git wants a credential for. Nothing unless it is plainly a host over HTTP: whatever git and we might
 * read differently (`github.com@evil.example`, `github.com\.evil`) is given nothing.
 */
export function serverOf(request: ReadonlyMap<string, string>): string | undefined {
  const [protocol = '', host = ''] = [request.get('protocol'), request.get('host')];
  if (!/^https?$/.test(protocol)) return undefined;
  const text = `${protocol}://${host}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  // URL drops what is beside a host, and rewrites some hosts: only what it leaves as it was is one.
  return url.hostname === host.replace(/:\d+$/, '').toLowerCase() ? url.origin : undefined;
}

/**
 * `acme/shop` from the path of its address: with `.git` at its end or without, and for git-lfs with what it appends.
 * Nothing where it is no name of a repository.
 */
export function repositoryIn(path: string): string | undefined {
  const name = path
    .replace(/^\/+|\/+$/g, '')
    .replace(/\/info\/lfs(?:\/.*)?$/, '')
    .replace(/\.git$/, '');
  const parts = name.split('/');
  const isName = parts.length >= 2 && parts.every((part) => /^[\w.-]{1,100}$/.test(part) && !/^\.+$/.test(part));
  return isName && name.length <= 300 ? name : undefined;
}
