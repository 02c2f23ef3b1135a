import { ProviderError } from '../providers/failure.ts';

/** One organization asks for more than its share of what all share. Nothing was sent. */
export class Overasked extends ProviderError {
  constructor(message: string, retryAfterMs: number, provider = 'github') {
    super({ provider, code: 'secondary_limited', message, retryAfterMs: Math.ceil(retryAfterMs) });
  }
}
