type Json = Record<string, unknown>;
type Parameter = { in: string; name?: string; schema?: { examples?: unknown[] }; example?: unknown };
export type LiveDocument = { paths: Record<string, Record<string, { parameters?: Parameter[]; responses: Json }>> };

/** The ids of resources that exist, by their prefix. */
export type Ids = Record<string, string>;

/** An id in the examples of the document. */
const exampleId = /\b([a-z]+)_01k4z9v7c1q8x0m3t5n2b6d4fa\b/g;

/**
 * Returns the document of a running server, with the ids of existing resources as its examples. Operations then find
 * something. A deletion gets the `spare` ids. A request waits for an operation at most a second. Changes nothing else.
 */
export function withLiveIds(document: LiveDocument, ids: Ids, spare: Ids): LiveDocument {
  const paths = Object.entries(document.paths).map(([path, operations]) => {
    const filled = Object.entries(operations).map(([method, operation]) => {
      const own = method === 'delete' ? { ...ids, ...spare } : ids;
      const { parameters = [], ...rest } = replaced(operation, own);
      const named = parameters.map((one) => {
        if (one.name === 'wait') return { ...one, schema: { ...one.schema, maximum: 1 } };
        const example = one.in === 'path' ? one.schema?.examples?.[0] : undefined;
        return example === undefined ? one : { ...one, example };
      });
      return [method, { ...rest, parameters: named }];
    });
    return [path, Object.fromEntries(filled)];
  });
  return replaced({ ...document, paths: Object.fromEntries(paths) }, ids);
}

function replaced<Value>(value: Value, ids: Ids): Value {
  const text = JSON.stringify(value).replaceAll(exampleId, (example, prefix: string) => ids[prefix] ?? example);
  return JSON.parse(text) as Value;
}

/** Removes one documented status, to see the run fail: `DELETE /v1/leases/{lease} 202`. */
export function withoutResponse(document: LiveDocument, which: string): LiveDocument {
  const [method = '', path = '', status = ''] = which.split(' ');
  const copy = structuredClone(document);
  const responses = copy.paths[path]?.[method.toLowerCase()]?.responses;
  if (responses?.[status] === undefined) throw new Error(`The document has no response ${which}`);
  delete responses[status];
  return copy;
}
