import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { endpointsOf } from '../api/app.ts';
import type { ApiDeps } from '../api/http/deps.ts';
import { openApiText } from '../api/openapi.ts';

/** `npm run openapi`: writes docs/openapi.json. No handler runs, so their dependencies can be missing. */
const file = path.join(import.meta.dirname, '..', 'docs', 'openapi.json');
writeFileSync(file, openApiText(endpointsOf({} as ApiDeps)));
console.log(`Wrote ${path.relative(process.cwd(), file)}`);
