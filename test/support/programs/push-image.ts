import { createHash } from 'node:crypto';

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** Pushes a small image with this header. Returns the status of the first rejection, or 201. */
export async function pushImage(url: string, repository: string, tag: string, authorization: string): Promise<number> {
  const send = (method: string, to: string, body?: Uint8Array, type = 'application/octet-stream') =>
    fetch(new URL(to, url), { method, headers: { authorization, 'content-type': type }, body: body ?? null });
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
  );
  const begun = await send('POST', `/v2/${repository}/blobs/uploads/`);
  if (begun.status !== 202) return begun.status;
  const upload = new URL(begun.headers.get('location') ?? '', url);
  upload.searchParams.set('digest', digestOf(config));
  const ended = await send('PUT', upload.href, config);
  if (ended.status !== 201) return ended.status;
  const type = manifestType;
  const manifest = {
    schemaVersion: 2,
    mediaType: type,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
    layers: [],
  };
  return (await send('PUT', `/v2/${repository}/manifests/${tag}`, Buffer.from(JSON.stringify(manifest)), type)).status;
}

/** Returns the status of a pull of the manifest. */
export async function pullImage(url: string, repository: string, tag: string, authorization: string): Promise<number> {
  const headers = { authorization, accept: manifestType };
  return (await fetch(new URL(`/v2/${repository}/manifests/${tag}`, url), { headers })).status;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
