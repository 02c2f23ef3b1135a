import { expect, test } from 'vitest';
import { serviceAccountKey } from '../../../api/clouds/service-account-key.ts';
import { keyOf } from '../../../api/http/idempotency.ts';
import { cursorAfter, pageRequest } from '../../../api/http/input.ts';
import { type IdPrefix, newId } from '../../../domain/ids.ts';
import { fc } from '../../support/properties.ts';
import { anyText } from '../../support/texts.ts';

const refused = expect.objectContaining({ code: 'invalid_request' });

test('a cursor returns the page after its id', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<IdPrefix[]>('org', 'prj', 'int', 'bld'),
      fc.integer({ min: 1, max: 200 }),
      (prefix, limit) => {
        const after = newId(prefix);
        expect(pageRequest({ limit, cursor: cursorAfter(after) })).toEqual({ limit, after });
      },
    ),
  );
});

test('rejects any other text as a cursor', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        anyText.map((text) => Buffer.from(text).toString('base64url')),
      ),
      (cursor) => {
        expect(() => pageRequest({ limit: 1, cursor })).toThrow(refused);
      },
    ),
  );
});

test('accepts 1 to 255 visible ASCII characters as an idempotency key, and rejects any other text', () => {
  fc.assert(
    fc.property(anyText, fc.jsonValue(), (key, body) => {
      const keyed = () => keyOf({ callerId: 'usr', key, method: 'POST', path: '/', body });
      if (/^[\x21-\x7e]{1,255}$/.test(key)) expect(keyed().fingerprint).toMatch(/^[0-9a-f]{64}$/);
      else expect(keyed).toThrow(refused);
    }),
  );
});

test('rejects any invalid service account key with a message', () => {
  const file = fc.record({
    type: fc.constantFrom('service_account', 'external_account', 'x'),
    client_email: fc.oneof(fc.constant('ci@acme.iam.gserviceaccount.com'), fc.jsonValue()),
    private_key: fc.oneof(anyText, fc.jsonValue()),
    project_id: fc.jsonValue(),
  });
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        fc.jsonValue(),
        file,
        file.map((one) => JSON.stringify(one)),
      ),
      (sent) => {
        const { success, error } = serviceAccountKey.safeParse(sent);
        expect(success).toBe(false);
        expect(error?.issues[0]?.message).toBeTypeOf('string');
      },
    ),
  );
});
