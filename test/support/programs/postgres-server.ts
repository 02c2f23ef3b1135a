import knex from 'knex';

/** The Postgres server of this run, if `npm run test:postgres` has started one. */
export const postgresUrl = process.env['TEST_DATABASE_URL'];

/** Runs one statement on the server, outside the databases of the tests. */
export async function onPostgresServer(serverUrl: string, statement: string): Promise<void> {
  const server = knex({ client: 'pg', connection: serverUrl, pool: { min: 0, max: 1 } });
  await server.raw(statement).finally(() => server.destroy());
}
