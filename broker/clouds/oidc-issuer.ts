import { createPrivateKey, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { signingKeysIn } from '../../db/clouds/signing-keys.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { backdatedSeconds, issuedTokenSeconds } from '../../domain/clouds/signing-key-life.ts';
import { ProviderError } from '../../providers/failure.ts';
import { ensureSigningKey } from './signing-keys.ts';

/** The cloud account that a token is for, and its cloud. */
export type IssuerTokenRequest = {
  orgId: string;
  projectId?: string | null | undefined;
  /** Absent while the cloud account itself is being proven. */
  integrationId?: string | undefined;
  cloudAccountId: string;
  /** The audience that the cloud expects. The cloud rejects a token with any other audience. */
  audience: string;
};

/** A public key in the form that clouds read. */
export type PublishedJwk = { kid: string; alg: string; use: 'sig'; kty: string; n: string; e: string };

/** Fairlead as an OIDC issuer. Clouds that trust it accept its tokens, so no cloud secret is stored. */
export type OidcIssuer = {
  /** Every key that may sign a token today or tomorrow. */
  keys(): Promise<PublishedJwk[]>;
  /** Returns a JWT for one call to a cloud. It expires within minutes and is neither stored nor logged. */
  token(request: IssuerTokenRequest): Promise<string>;
};

/** Creates the issuer with the name `publicUrl`. */
export function createOidcIssuer({
  database,
  keyring,
  publicUrl,
}: {
  database: Database;
  keyring: Keyring;
  publicUrl: string;
}): OidcIssuer {
  return {
    async keys() {
      await ensureSigningKey(database, keyring);
      const published = await signingKeysIn(database.reader).published();
      return published.map(({ kid, alg, publicJwk }) => ({ ...publicJwk, kid, alg, use: 'sig' }) as PublishedJwk);
    },

    async token({ orgId, projectId, integrationId, cloudAccountId, audience }) {
      refuseUnreachable(publicUrl);
      await ensureSigningKey(database, keyring);
      const signer = await signingKeysIn(database.reader).signer(keyring, Date.now());
      if (!signer) throw new Error('There is no key to sign with');
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        org_id: orgId,
        ...(projectId && { project_id: projectId }),
        ...(integrationId && { integration_id: integrationId }),
      };
      return new SignJWT(claims)
        .setProtectedHeader({ alg: signer.alg, typ: 'JWT', kid: signer.kid })
        .setIssuer(publicUrl)
        .setSubject(issuerSubject(orgId, cloudAccountId))
        .setAudience(audience)
        .setJti(randomUUID())
        .setIssuedAt(now - backdatedSeconds)
        .setExpirationTime(now + issuedTokenSeconds)
        .sign(createPrivateKey(signer.privatePem));
    },
  };
}

/**
 * The subject that a trust policy pins. It is unique to the cloud account and stays the same while the account is
 * connected. Google accepts at most 127 bytes; these are 78.
 */
export function issuerSubject(orgId: string, cloudAccountId: string): string {
  return `org:${orgId}:cloud-account:${cloudAccountId}`;
}

/** A cloud fetches our keys without being asked to, and only over https. */
function refuseUnreachable(publicUrl: string): void {
  if (new URL(publicUrl).protocol === 'https:') return;
  throw new ProviderError({
    provider: 'fairlead',
    code: 'issuer_not_public',
    message: `No cloud trusts an issuer at ${publicUrl}: set FAIRLEAD_PUBLIC_URL to an https address that the cloud can reach.`,
  });
}
