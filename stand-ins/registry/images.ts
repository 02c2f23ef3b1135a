import { createHash, randomUUID } from 'node:crypto';

export type Reply = { status: number; headers?: Record<string, string>; body?: unknown };

type Manifest = { type: string; body: Buffer; digest: string };
type Repository = { tags: Map<string, string>; manifests: Map<string, Manifest>; blobs: Map<string, Buffer> };

/** The stored images. Unfinished uploads are included, so that tests can look for the traces of a probe. */
export type Images = {
  repositories: Map<string, Repository>;
  uploads: Map<string, { repository: string; data: Buffer }>;
};

type Asked = { method: string; rest: string; query: URLSearchParams; body: Buffer; type: string };

export function refusal(status: number, code: string, message: string, headers: Record<string, string> = {}): Reply {
  return { status, headers, body: { errors: [{ code, message }] } };
}

/** Handles everything below `/v2/NAME/` for a caller with access. */
export function answerForImages(images: Images, name: string, asked: Asked): Reply {
  const [, kind = '', what = ''] = /^(manifests|blobs\/uploads|blobs|tags)\/?(.*)$/.exec(asked.rest) ?? [];
  if (kind === 'manifests') return manifest(images, name, what, asked);
  if (kind === 'blobs/uploads') return upload(images, name, what, asked);
  const repository = images.repositories.get(name);
  if (!repository) return refusal(404, 'NAME_UNKNOWN', 'repository name not known to registry');
  if (kind === 'tags') return { status: 200, body: { name, tags: [...repository.tags.keys()] } };
  const blob = repository.blobs.get(what);
  if (kind !== 'blobs' || !blob) return refusal(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
  return { status: 200, headers: { 'docker-content-digest': what }, body: blob };
}

function manifest(images: Images, name: string, reference: string, { method, body, type }: Asked): Reply {
  if (method === 'PUT') {
    const repository = repositoryOf(images, name);
    const digest = digestOf(body);
    repository.manifests.set(digest, { type, body, digest });
    if (!reference.startsWith('sha256:')) repository.tags.set(reference, digest);
    return { status: 201, headers: { location: `/v2/${name}/manifests/${digest}`, 'docker-content-digest': digest } };
  }
  const repository = images.repositories.get(name);
  const found = repository?.manifests.get(repository.tags.get(reference) ?? reference);
  if (!found) return refusal(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  return {
    status: 200,
    headers: { 'content-type': found.type, 'docker-content-digest': found.digest },
    body: found.body,
  };
}

function upload(images: Images, name: string, id: string, { method, query, body }: Asked): Reply {
  if (method === 'POST' && id === '') {
    const opened = randomUUID();
    repositoryOf(images, name);
    images.uploads.set(opened, { repository: name, data: body });
    return progress(name, opened, body.length);
  }
  const found = images.uploads.get(id);
  if (!found || found.repository !== name)
    return refusal(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  found.data = Buffer.concat([found.data, body]);
  if (method === 'PATCH' || method === 'GET') return progress(name, id, found.data.length);
  if (method !== 'PUT') return refusal(405, 'UNSUPPORTED', 'The operation is unsupported.');
  const digest = query.get('digest') ?? '';
  if (digest !== digestOf(found.data)) return refusal(400, 'DIGEST_INVALID', 'provided digest did not match');
  repositoryOf(images, name).blobs.set(digest, found.data);
  images.uploads.delete(id);
  return { status: 201, headers: { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest } };
}

function progress(name: string, id: string, length: number): Reply {
  const range = `0-${Math.max(0, length - 1)}`;
  return { status: 202, headers: { location: `/v2/${name}/blobs/uploads/${id}`, range, 'docker-upload-uuid': id } };
}

function repositoryOf(images: Images, name: string): Repository {
  const made = images.repositories.get(name) ?? { tags: new Map(), manifests: new Map(), blobs: new Map() };
  images.repositories.set(name, made);
  return made;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
