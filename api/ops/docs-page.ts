/** The page at `/docs`. Everything that it loads comes from this server. */
export const docsPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Fairlead API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/viewer.css">
<body>
<main id="viewer"><p>Loading the API documentation. It needs JavaScript. <a href="/openapi.json">openapi.json</a> has the same content.</p></main>
<script src="/docs/viewer.js"></script>
</body>
</html>
`;

/** Swagger UI loads its icons from `data:` URLs. It needs no inline script, no inline style and no `eval`. */
export const docsPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** The server appends this to Swagger UI's own script. The page is read-only: it requests nothing but the document. */
export const docsScript = `
(() => {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
  dark.addEventListener('change', follow);
  follow();

  /** Searches all operations. Swagger UI's own search looks only at the names of tags. */
  const search = ({ React: { createElement: h } }) => ({
    fn: {
      opsFilter(tags, phrase) {
        const words = phrase.toLowerCase().split(/\\s+/).filter(Boolean);
        const matches = (tag, operation) => {
          const said = [tag, operation.get('method'), operation.get('path')];
          for (const key of ['summary', 'operationId']) said.push(operation.getIn(['operation', key]));
          const text = said.join(' ').toLowerCase();
          return words.every((word) => text.includes(word));
        };
        return tags
          .map((of, tag) => of.update('operations', (all) => all.filter((operation) => matches(tag, operation))))
          .filter((of) => of.get('operations').size > 0);
      },
    },
    wrapComponents: {
      FilterContainer: () => ({ layoutSelectors, layoutActions }) => {
        const phrase = layoutSelectors.currentFilter();
        return h('search', { className: 'wrapper' }, h('input', {
          type: 'search',
          placeholder: 'Search operations',
          'aria-label': 'Search operations',
          value: typeof phrase === 'string' && phrase !== 'true' ? phrase : '',
          onChange: (event) => layoutActions.updateFilter(event.target.value),
        }));
      },
    },
  });

  SwaggerUIBundle({
    dom_id: '#viewer',
    url: '/openapi.json',
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [search],
    layout: 'BaseLayout',
    filter: true,
    deepLinking: true,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    defaultModelExpandDepth: 2,
    defaultModelRendering: 'model',
    supportedSubmitMethods: [],
    validatorUrl: null,
  });
})();
`;

/** The server appends this to Swagger UI's own styles. */
export const docsStyles = `
html { --page: #fff; background: var(--page); }
body { margin: 0; }
#viewer > p { padding: 2rem; font: 16px/1.5 system-ui, sans-serif; color: #1f2328; }
@media (prefers-color-scheme: dark) {
  html { --page: #1c2022; }
  #viewer > p { color: #e4e6e6; }
  #viewer > p a { color: #8ab4f8; }
}
/* The viewer's own colors are hard to read: each text below had less than 4.5 times the brightness of its background. */
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1d5fb8; }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #14734a; }
.swagger-ui .opblock.opblock-put .opblock-summary-method { background: #8a5300; }
.swagger-ui .opblock.opblock-patch .opblock-summary-method { background: #0b6b63; }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #b3261e; }
.swagger-ui .info .title small pre.version { background: #57606a; }
.swagger-ui .json-schema-2020-12__constraint--string { background: #8a5300; }
html.dark-mode .swagger-ui td.header-col { color: inherit; }
html:not(.dark-mode) .swagger-ui :is(.info a, .renderedMarkdown a) { color: #1d5fb8; }
html:not(.dark-mode) .swagger-ui .parameter__in { color: #57606a; }
html:not(.dark-mode) .swagger-ui .parameter__name.required span, html:not(.dark-mode) .swagger-ui .parameter__name.required::after { color: #b3261e; }
html.dark-mode .swagger-ui .opblock .opblock-section-header :is(h4, span) { color: #fff; }
html:not(.dark-mode) .swagger-ui :is(.json-schema-2020-12, .model-box) :is(p, button, .json-schema-2020-12-expand-deep-button) { color: #424a53; }
html:not(.dark-mode) .swagger-ui .markdown code, html:not(.dark-mode) .swagger-ui .renderedMarkdown code,
html:not(.dark-mode) .swagger-ui .json-schema-2020-12 code { color: #6b0fbf; }
.swagger-ui, .swagger-ui .info :is(.title, p), .swagger-ui .opblock-tag, .swagger-ui .opblock-tag small,
.swagger-ui .renderedMarkdown p, .swagger-ui .opblock-summary-description, .swagger-ui .opblock-section-header h4,
.swagger-ui .opblock-title_normal, .swagger-ui :is(label, input, select, table thead tr td, table thead tr th),
.swagger-ui .response-col_status, .swagger-ui section.models h4 { font-family: system-ui, sans-serif; }
.swagger-ui .info { margin: 2rem 0 1rem; }
/* The page is read-only: it needs no server address, no sign-in dialog and no fields to fill in. */
.swagger-ui :is(.scheme-container, .authorization__btn, .response-col_links, .response-control-media-type__accept-message),
.swagger-ui .parameters-col_description :is(input, select):disabled { display: none; }
/* Every error has the schema Problem, and the end of the page shows that once. */
.swagger-ui .response:is([data-code^='4'], [data-code^='5']) :is(.response-controls, .model-example) { display: none; }
.swagger-ui search.wrapper { display: block; position: sticky; top: 0; z-index: 1; padding-block: .75rem; background: var(--page); }
.swagger-ui search input[type='search'] { box-sizing: border-box; width: 100%; max-width: none; margin: 0; font-size: 1rem; }
.swagger-ui :is(.opblock, .opblock-tag) { scroll-margin-top: 4.5rem; }
@media (max-width: 40rem) {
  .swagger-ui .opblock-tag { flex-wrap: wrap; }
  .swagger-ui .opblock-tag > small { flex: 1 0 100%; order: 1; padding: .25rem 0 0; }
  .swagger-ui .opblock-tag > .expand-operation { margin-left: auto; }
  .swagger-ui :is(.parameters, .responses-table):is(table) > thead { display: none; }
  .swagger-ui :is(.parameters, .responses-table):is(table),
  .swagger-ui :is(.parameters, .responses-table) > tbody,
  .swagger-ui :is(.parameters, .responses-table) > tbody > tr { display: block; margin: 0 0 .75rem; }
  .swagger-ui :is(.parameters, .responses-table) > tbody > tr > td:not(.response-col_links) { display: block; width: auto; min-width: 0; max-width: none; padding: .25rem 0; }
  .swagger-ui .json-schema-2020-12-expand-deep-button { display: none; }
  .swagger-ui :is(.model-box, .json-schema-2020-12) { max-width: 100%; box-sizing: border-box; }
}
`;
