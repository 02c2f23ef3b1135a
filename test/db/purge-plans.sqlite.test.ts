import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPurge } from '../../db/purge.ts';
import { history } from '../../db/purge-history.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

type Query = { sql: string; bindings: readonly unknown[] };

async function planOf({ sql, bindings }: Query): Promise<string[]> {
  const steps: { detail: string }[] = await database.reader.raw(`explain query plan ${sql}`, bindings as never);
  return steps.map(({ detail }) => detail);
}

test('finds what is due by its primary key, in order, and without reading another table', async () => {
  const asked: Query[] = [];
  const note = (query: Query) => void asked.push(query);
  database.reader.on('query', note);
  await createPurge(database)();
  database.reader.off('query', note);
  const walked = asked.filter(({ sql }) => / order by /.test(sql));
  // The bodies, the parts of large ones, and each kind of history.
  expect(walked).toHaveLength(2 + history.length);
  for (const query of walked) {
    const plan = await planOf(query);
    expect(plan[0], query.sql).toMatch(
      /^SEARCH \w+ USING (COVERING )?INDEX sqlite_autoindex_\w+ \((id>\? AND id<\?|delivery_id<\?)\)$/,
    );
    expect(
      plan.filter((step) => /SCAN|TEMP B-TREE/.test(step)),
      query.sql,
    ).toEqual([]);
  }
});

test('finds the rows that refer to a deleted row with an index', async () => {
  const { reader } = database;
  const references = [
    reader('builds').where({ rerun_of: 'x' }),
    reader('build_events').where({ build_id: 'x' }),
    reader('dispatches').where({ build_id: 'x' }),
    reader('decisions').where({ build_id: 'x' }),
    reader('leases').where({ build_id: 'x' }),
    reader('decisions').where({ delivery_id: 'x' }),
    reader('rotations').where({ operation_id: 'x' }),
    reader('rotations').where({ rollback_operation_id: 'x' }),
    reader('leases').where({ minted_token_id: 'x' }),
    reader('flow_states').where({ flow_id: 'x' }),
  ];
  for (const query of references) {
    const plan = await planOf(query.toSQL());
    expect(
      plan.filter((step) => step.startsWith('SCAN')),
      query.toString(),
    ).toEqual([]);
  }
});
