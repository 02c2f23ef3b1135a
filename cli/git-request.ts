/**
 * Returns the origin that git wants a credential for, or undefined if it is not plainly a host over HTTP. This rejects
 * text that git might parse differently, such as `github.com@evil.example` or `github.com\.evil`.
 */
export function serverOf(request: ReadonlyMap<string, string>): string | undefined {
  const [protocol = '', host = ''] = [request.get('protocol'), request.get('host')];
  if (!/^https?$/.test(protocol)) return undefined;
  const text = `${protocol}://${host}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  // URL removes text around a host, and rewrites some hosts. Accept only a host that it leaves unchanged.
  return url.hostname === host.replace(/:\d+$/, '').toLowerCase() ? url.origin : undefined;
}

/**
 * Returns `acme/shop` from the path of its address, with or without `.git`, and with the suffix that git-lfs appends.
 * Returns undefined if the path does not name a repository.
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
