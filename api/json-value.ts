import { z } from 'zod';

/**
 * Any JSON value, for request bodies. The OpenAPI document describes the side before the pipe: a schema without rules,
 * which means the same. `z.json()` alone is a recursive union there, which generators of clients cannot compile.
 */
export const jsonValue = z.unknown().pipe(z.json()).describe('Any JSON value');
