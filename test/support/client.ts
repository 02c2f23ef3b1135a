import { expect } from 'vitest';

export type Answer<Body = unknown> = { status: number; headers: Headers; body: Body };

/** A caller of the product's API: JSON in and out, with one token. */
export function createClient(url: string, token: string) {
  async function send<Body>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer: Answer<Body> = { status: response.status, headers: response.headers, body: parse(text) as Body };
    return answer;
  }

  /** Like `send`, but fails unless the request succeeds. */
  async function ask<Body = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await send<Body>(method, path, body);
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    return answer.body;
  }

  return { send, ask };
}

export type Client = ReturnType<typeof createClient>;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
