/** What a browser without JavaScript shows: its URL, or the URL of the next redirect. */
export type Shown = { url: string; status: number; location: string | undefined; headers: Headers; text: string };

type Fields = Record<string, string | string[]>;

/** A small browser for plain pages: cookies per origin, links, forms. It follows a redirect only on demand. */
export function createBrowser() {
  const jars = new Map<string, Map<string, string>>();

  async function visit(url: string, { form, origin }: { form?: Fields; origin?: string } = {}): Promise<Shown> {
    const jar = jars.get(new URL(url).origin) ?? new Map<string, string>();
    jars.set(new URL(url).origin, jar);
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      headers: {
        accept: 'text/html',
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(form && { 'content-type': 'application/x-www-form-urlencoded', origin: origin ?? new URL(url).origin }),
      },
      ...(form && { body: encode(form).toString() }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0|expires=Thu, 01 Jan 1970/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    const to = response.headers.get('location');
    const location = to === null ? undefined : new URL(to, url).href;
    return { url, status: response.status, location, headers: response.headers, text: await response.text() };
  }

  return {
    visit,

    /** Follows redirects while they do not match `until`. */
    async follow(shown: Shown, until?: RegExp): Promise<Shown> {
      let at = shown;
      for (let hop = 0; hop < 10 && at.location && !until?.test(at.location); hop++) at = await visit(at.location);
      return at;
    },

    /** Submits the form with its own fields, or with the given values. */
    async press(shown: Shown, button: string | RegExp, changed: Fields = {}): Promise<Shown> {
      const forms = [...shown.text.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)];
      const matches = (text: string) => (typeof button === 'string' ? text === button : button.test(text));
      for (const [, head = '', inside = ''] of forms) {
        const buttons = [...inside.matchAll(/<button\b([^>]*)>(.*?)<\/button>/gs)];
        const pressed = buttons.find(([, , text = '']) => matches(plain(text)));
        if (!pressed) continue;
        const own = attributes(pressed[1] ?? '');
        const fields = { ...fieldsOf(inside), ...(own['name'] && { [own['name']]: own['value'] ?? '' }), ...changed };
        const { action = shown.url, method = 'get' } = attributes(head);
        const target = new URL(action || shown.url, shown.url);
        if (method === 'post') return visit(target.href, { form: fields, origin: new URL(shown.url).origin });
        target.search = encode(fields).toString();
        return visit(target.href);
      }
      throw new Error(`There is no button ${button} on ${shown.url} (${shown.status}): ${plain(shown.text)}`);
    },

    /** Returns the URL of the link with this text. */
    link(shown: Shown, text: string): string {
      const links = [...shown.text.matchAll(/<a\b([^>]*)>(.*?)<\/a>/gs)];
      const found = links.find(([, , inside = '']) => plain(inside) === text);
      if (!found) throw new Error(`There is no link ${text} on ${shown.url}`);
      return new URL(attributes(found[1] ?? '')['href'] ?? '', shown.url).href;
    },

    /** Returns only the page's text. */
    read: (shown: Shown): string => plain(shown.text.replace(/<style>.*?<\/style>/gs, '')),
  };
}

function fieldsOf(form: string): Fields {
  const fields: Fields = {};
  for (const [, head = ''] of form.matchAll(/<input\b([^>]*)>/gs)) {
    const { name, value = 'on', type = 'text', checked } = attributes(head);
    if (!name || ((type === 'radio' || type === 'checkbox') && checked === undefined)) continue;
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  return fields;
}

function attributes(head: string): Record<string, string> {
  const found = [...head.matchAll(/([\w-]+)(?:="([^"]*)")?/g)];
  return Object.fromEntries(found.map(([, name = '', value = '']) => [name, decoded(value)]));
}

function encode(fields: Fields): URLSearchParams {
  return new URLSearchParams(
    Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one) => [name, one] as [string, string])),
  );
}

function plain(text: string): string {
  return decoded(text.replaceAll(/<[^>]+>/g, ' '))
    .replaceAll(/\s+/g, ' ')
    .trim();
}

const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decoded(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name) return named[name] ?? whole;
    return String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16));
  });
}
