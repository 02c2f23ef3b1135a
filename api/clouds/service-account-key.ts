import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';
import { serviceAccountEmail } from '../../domain/clouds/gcp-names.ts';

const mostCharacters = 20_000;

/**
 * A service account key from Google, as a JSON file or its parsed content. The transform keeps three members and drops
 * all others, because those contain addresses that a client would follow.
 */
export const serviceAccountKey = z
  .union([z.string().max(mostCharacters), z.looseObject({})], { error: 'must be the JSON of the key' })
  .transform((sent, context) => {
    const refuse = (message: string): never => {
      context.addIssue(message);
      return z.NEVER;
    };
    const file = typeof sent === 'string' ? objectIn(sent) : sent;
    if (!file) return refuse('must be the JSON key file from Google');
    const { type, client_email: email, private_key: key, project_id: project } = file as Record<string, unknown>;
    if (type === 'external_account') {
      return refuse(
        'is of the type external_account, which can name addresses, files and programs of the machine that reads it: send `"auth_mode":"workload_identity"` with the name of the provider instead',
      );
    }
    if (type !== 'service_account') return refuse('must be of the type service_account');
    if (typeof email !== 'string' || !serviceAccountEmail.test(email)) return refuse('has no valid client_email');
    if (typeof key !== 'string' || key.length > mostCharacters || !isRsa(key)) return refuse('has no RSA private key');
    if (typeof project !== 'string' || !/^[a-z0-9.:-]{1,100}$/.test(project)) return refuse('has no valid project_id');
    return { secret: key, config: { client_email: email, project_id: project } };
  })
  .meta({ description: 'The JSON key of a service account, as text or as an object' });

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isRsa(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    // Drop the error, because the parser's message can quote the key.
    return false;
  }
}
