import { expect } from 'vitest';
import { createAccount, exchange, replaceSecret, verify } from './cloud-accounts.ts';
import { awsAccount, type CloudServers, registryHosts } from './cloud-servers.ts';
import type { CloudOutcome } from './clouds.ts';
import { type Day, named } from './day.ts';

/** Connects with the key of a user. Fairlead signs with the secret half and never sends it. */
export async function ofAws({ aws }: CloudServers, day: Day): Promise<CloudOutcome> {
  const [first, second] = [aws.user({ accountId: awsAccount }), aws.user({ accountId: awsAccount, name: 'second' })];
  const configOf = ({ accessKeyId }: typeof first) => ({
    access_key_id: accessKeyId,
    account_id: awsAccount,
    region: 'eu-west-1',
  });
  const account = await createAccount(day, {
    kind: 'aws',
    auth_mode: 'access_key',
    config: configOf(first),
    credentials: { secret_access_key: first.secretAccessKey },
  });
  await verify(day, account);
  const credentials = { secret_access_key: second.secretAccessKey };
  await replaceSecret(day, account, { config: configOf(second), credentials });
  await verify(day, account);
  const inEcr = { provider: 'ecr', registry: registryHosts.ecr, cloud_account_id: account };
  const given = await exchange(day, inEcr, { repositories: ['team/app'], format: 'basic' });
  const signers = aws.ledger.filter(({ status }) => status === 200).map(({ scope }) => scope?.accessKeyId);
  expect(signers).toEqual(expect.arrayContaining([first.accessKeyId, second.accessKeyId]));
  return {
    accounts: [account],
    integrations: [given.integrationId],
    told: [`the token of a registry at AWS ${given.where}`],
    canaries: [
      { name: 'the token of a registry at AWS', value: given.password },
      { name: 'the first secret key at AWS', value: first.secretAccessKey },
      { name: 'the second secret key at AWS', value: second.secretAccessKey },
      ...named(
        'another token of a registry at AWS',
        aws.state.issued.map(({ password }) => password),
      ),
    ],
  };
}
