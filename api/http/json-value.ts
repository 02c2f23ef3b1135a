import { z } from 'zod';

/**
 * Any JSON value, for request bodies. The OpenAPI document describes the part before the pipe: a schema without rules,
 * which means the same. `z.json()` alone would become a recursive union, and a client generated from it would not
 * compile.
 */
export const jsonValue = z.unknown().pipe(z.json()).describe('Any JSON value');
