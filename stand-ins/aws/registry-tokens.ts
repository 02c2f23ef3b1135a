import { randomBytes } from 'node:crypto';
import type { Scope } from './signature.ts';
import { type Identity, nowIn, Refused, requireAction, type State } from './state.ts';

/** Responds to the actions of ECR and ECR Public with JSON. */
export const registryActions: Record<string, (state: State, caller: Identity, scope: Scope) => object> = {
  'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken'(state, caller, scope) {
    requireAction(caller, 'ecr:GetAuthorizationToken', 400, 'AccessDeniedException');
    const proxyEndpoint = `https://${caller.accountId}.dkr.ecr.${scope.region}.amazonaws.com`;
    return { authorizationData: [{ ...issue(state, caller, scope), proxyEndpoint }] };
  },

  'SpencerFrontendService.GetAuthorizationToken'(state, caller, scope) {
    if (scope.region !== 'us-east-1')
      throw new Refused(400, 'InvalidSignatureException', 'Credential should be scoped');
    requireAction(caller, 'ecr-public:GetAuthorizationToken', 400, 'AccessDeniedException');
    requireAction(caller, 'sts:GetServiceBearerToken', 400, 'AccessDeniedException');
    return { authorizationData: issue(state, caller, scope) };
  },
};

/** Real tokens are long, and AWS does not document their characters. */
function issue(state: State, { arn, policy }: Identity, { region }: Scope) {
  const password = `ey${randomBytes(900).toString('base64')}:${randomBytes(6).toString('hex')}`;
  const expiresAt = Math.floor(nowIn(state) / 1000) + state.tokenSeconds;
  state.issued.push({
    password,
    arn,
    region,
    expiresAt: expiresAt * 1000,
    ...(policy === undefined ? {} : { policy }),
  });
  return { authorizationToken: Buffer.from(`AWS:${password}`).toString('base64'), expiresAt };
}
