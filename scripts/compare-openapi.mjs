// `node scripts/compare-openapi.mjs BEFORE AFTER [--allow-added-headers]`: compares what two OpenAPI documents mean to
// a client. It expands references and ignores prose, examples and the names of schemas. It prints each difference.
// Exit codes: 0 no difference, 1 differences, 2 usage error.
import { readFileSync } from 'node:fs';

const prose = new Set(['summary', 'description', 'title', 'examples', 'example']);
/** The keys of these objects are names, so a field with the name `title` is no prose. */
const nameMaps = new Set(['properties', 'patternProperties', 'responses', 'headers', 'content', 'paths']);
/** The order of these lists has no meaning. */
const sets = new Set(['required', 'enum', 'type', 'tags']);

/** Returns the document without references and prose. A reference to a schema that contains it stays a reference. */
function meaningOf({ openapi, servers, security, paths, components = {} }) {
  const root = { components };

  function expand(value, key, inside) {
    if (Array.isArray(value)) {
      if (key === 'parameters') return parametersOf(value, inside);
      const items = value.map((item) => expand(item, '', inside));
      return sets.has(key) ? items.sort((a, b) => String(a).localeCompare(String(b))) : items;
    }
    if (typeof value !== 'object' || value === null) return value;
    const { $ref: reference } = value;
    if (typeof reference === 'string' && !nameMaps.has(key)) {
      const { $ref: _, ...siblings } = value;
      if (inside.includes(reference)) return { $ref: reference };
      return expand({ ...resolve(root, reference), ...siblings }, key, [...inside, reference]);
    }
    const kept = Object.entries(value).filter(([name]) => nameMaps.has(key) || !prose.has(name));
    return Object.fromEntries(kept.map(([name, of]) => [name, expand(of, nameMaps.has(key) ? '' : name, inside)]));
  }

  /** Returns parameters by place and name: their order has no meaning. */
  function parametersOf(parameters, inside) {
    const expanded = parameters.map((parameter) => expand(parameter, '', inside));
    return Object.fromEntries(expanded.map((parameter) => [`${parameter.in} ${parameter.name}`, parameter]));
  }

  const compared = { openapi, servers, security, securitySchemes: components.securitySchemes };
  return { ...expand(compared, '', []), paths: expand(paths, 'paths', []) };
}

function resolve(root, reference) {
  const steps = reference.replace(/^#\//, '').split('/');
  const found = steps.reduce((at, step) => at?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], root);
  if (found === undefined) throw new Error(`The reference ${reference} resolves to nothing`);
  return found;
}

/** Returns one line for each value that was added, removed or changed. */
function differences(before, after, place = []) {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => differences(before[name], after[name], [...place, name]));
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const isAddedHeader = before === undefined && (place.at(-1) === 'headers' || place.at(-2) === 'headers');
  if (isAddedHeader && place.includes('responses') && allowAddedHeaders) return [];
  if (before === undefined) return [`added    ${place.join(' > ')}`];
  if (after === undefined) return [`removed  ${place.join(' > ')}`];
  return [`changed  ${place.join(' > ')}: ${JSON.stringify(before)} is now ${JSON.stringify(after)}`];
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const files = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const allowAddedHeaders = options.includes('--allow-added-headers');
if (files.length !== 2 || options.some((option) => option !== '--allow-added-headers')) {
  console.error('Usage: node scripts/compare-openapi.mjs BEFORE AFTER [--allow-added-headers]');
  process.exit(2);
}
const [before, after] = files.map((file) => meaningOf(JSON.parse(readFileSync(file, 'utf8'))));
const found = differences(before, after);
for (const line of found) console.log(line);
console.log(found.length === 0 ? 'The documents mean the same' : `${found.length} differences`);
process.exitCode = found.length === 0 ? 0 : 1;
