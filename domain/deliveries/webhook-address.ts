import { isIPv4, isIPv6 } from 'node:net';

export const webhookModes = ['push', 'pull'] as const;

/** `push`: GitHub calls us. `pull`: we read its log of deliveries, since it cannot. */
export type WebhookMode = (typeof webhookModes)[number];

/** Whether somebody outside may reach this address, as far as it tells by itself. */
export function looksPublic(url: string): boolean {
  const name = new URL(url).hostname.replace(/^\[|\]$|\.$/g, '');
  if (isIPv4(name))
    return !/^(0|10|127|169\.254|172\.(1[6-9]|2\d|3[01])|192\.168|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(name);
  if (isIPv6(name)) return /^[23]/.test(name);
  return name.includes('.') && !/\.(localhost|local|internal|intranet|lan|home|corp|invalid)$/.test(name);
}

/**
 * The address that a new App's webhook gets. Where GitHub cannot reach us it is one that nobody has (RFC 2606), so that
 * no payload goes to a stranger; the log remembers what could not be delivered.
 */
export function webhookAddress(
  { mode, publicUrl, webhookUrl }: { mode: WebhookMode; publicUrl: string; webhookUrl?: string | undefined },
  githubAppId: string,
): string {
  const path = `/v1/webhooks/github/${githubAppId}`;
  if (webhookUrl !== undefined) return webhookUrl + path;
  if (mode === 'push') return publicUrl + path;
  return `https://${githubAppId.replace('_', '-')}.fairlead.invalid${path}`;
}
