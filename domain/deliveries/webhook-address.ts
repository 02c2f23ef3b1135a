import { isIPv4, isIPv6 } from 'node:net';

export const webhookModes = ['push', 'pull'] as const;

/**
 * `push`: GitHub sends webhooks to Fairlead. `pull`: GitHub cannot reach Fairlead, so Fairlead reads GitHub's delivery
 * log.
 */
export type WebhookMode = (typeof webhookModes)[number];

/** Whether the internet could reach this address, judged by its form alone. */
export function looksPublic(url: string): boolean {
  const name = new URL(url).hostname.replace(/^\[|\]$|\.$/g, '');
  if (isIPv4(name))
    return !/^(0|10|127|169\.254|172\.(1[6-9]|2\d|3[01])|192\.168|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(name);
  if (isIPv6(name)) return /^[23]/.test(name);
  return name.includes('.') && !/\.(localhost|local|internal|intranet|lan|home|corp|invalid)$/.test(name);
}

/**
 * Returns the webhook URL of a new App. If GitHub cannot reach Fairlead, it is a host that nobody can own (RFC 2606),
 * so no payload goes to a stranger. The log still contains the failed deliveries.
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
