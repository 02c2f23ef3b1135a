import { expect, test } from 'vitest';
import { html } from '../../../api/http/html-page.ts';

const hostile = `"><script>alert('1 & 2')</script>`;
const escaped = '&#34;&#62;&#60;script&#62;alert(&#39;1 &#38; 2&#39;)&#60;/script&#62;';

test('escapes a hostile value in text and in an attribute', () => {
  expect(html`<p title="${hostile}">${hostile}</p>`.text).toBe(`<p title="${escaped}">${escaped}</p>`);
});

test('escapes a value in a nested template once', () => {
  const inner = html`<b>${hostile}</b>`;
  expect(html`<p>${html`${inner}`}</p>`.text).toBe(`<p><b>${escaped}</b></p>`);
});

test('renders every item of a list, and escapes those that are text', () => {
  expect(html`<ul>${['a < b', html`<li>c</li>`].map((item) => html`${item}`)}${['&']}</ul>`.text).toBe(
    '<ul>a &#60; b<li>c</li>&#38;</ul>',
  );
});

test('renders nothing for false and undefined, and a number as it is', () => {
  expect(html`<p>${false}${undefined}${0}</p>`.text).toBe('<p>0</p>');
});
