import { freePort, runProgram } from './processes.ts';
import { program } from './programs.ts';

export type AwsUser = { accessKeyId: string; secretAccessKey: string };
export type Moto = Awaited<ReturnType<typeof startMoto>>;

/** The account that owns everything in moto. */
export const motoAccount = '123456789012';

/** moto with enforced permissions. Enforcement begins after this number of calls, which set it up. */
export async function startMoto(arrangements: number) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const moto = runProgram(program('moto_server'), ['-H', '127.0.0.1', '-p', String(port)], {
    INITIAL_NO_AUTH_ACTION_COUNT: String(arrangements),
  });
  await moto.line(/Running on/).catch(async (error: unknown) => {
    await moto.end();
    throw error;
  });

  /** moto finds the service in the scope of the signature, which it does not verify yet. */
  async function iam(parameters: Record<string, string>): Promise<string> {
    const scope = 'none/20260101/us-east-1/iam/aws4_request';
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0` },
      body: new URLSearchParams({ Version: '2010-05-08', ...parameters }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${parameters['Action']}: ${response.status} ${text}`);
    return text;
  }

  return {
    url,

    /** Makes two calls; with a policy, three. */
    async user(name: string, policy?: string): Promise<AwsUser> {
      await iam({ Action: 'CreateUser', UserName: name });
      const answer = await iam({ Action: 'CreateAccessKey', UserName: name });
      if (policy) await iam({ Action: 'PutUserPolicy', UserName: name, PolicyName: 'own', PolicyDocument: policy });
      const field = (tag: string) => new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(answer)?.[1] ?? '';
      return { accessKeyId: field('AccessKeyId'), secretAccessKey: field('SecretAccessKey') };
    },

    /** Makes one call; with permissions, two. */
    async role(name: string, { trust, permissions }: { trust: string; permissions?: string }): Promise<void> {
      await iam({ Action: 'CreateRole', RoleName: name, AssumeRolePolicyDocument: trust });
      if (permissions === undefined) return;
      await iam({
        Action: 'PutRolePolicy',
        RoleName: name,
        PolicyName: 'registry',
        PolicyDocument: permissions,
      });
    },

    async end(): Promise<void> {
      await moto.end();
    },
  };
}
