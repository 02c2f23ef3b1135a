/** Text that is safe to put into a page. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Html | string | number | false | undefined | Content[];

/** A piece of a page. The template escapes every value that is not `Html`; `false` and `undefined` render as nothing. */
export function html(pieces: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(pieces.reduce((text, piece, index) => text + render(values[index - 1]) + piece));
}

function render(value: Content): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  if (value === false || value === undefined) return '';
  return String(value).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
