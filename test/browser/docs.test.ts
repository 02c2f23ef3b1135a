import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from '../support/api.ts';
import { openChromium, openPage } from '../support/programs/chromium.ts';

let api: TestApi;
let browser: Browser;

beforeAll(async () => {
  api = await startApi();
  browser = await openChromium();
});
afterAll(async () => {
  await browser?.close();
  await api?.stop();
});

/** Opens the page, and records the origins of its requests and the requests that fail. */
async function openDocs({ width, dark = false }: { width: number; dark?: boolean }) {
  const { page, complaints, close } = await openPage(browser);
  const origins = new Set<string>();
  const failures: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith('data:')) origins.add(new URL(request.url()).origin);
  });
  page.on('requestfailed', (request) => failures.push(request.url()));
  page.on('response', (response) => {
    if (response.status() >= 400) failures.push(`${response.status()} ${response.url()}`);
  });
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
  await page.goto(`${api.url}/docs`);
  await page.getByRole('heading', { name: /^Fairlead/ }).waitFor({ timeout: 60_000 });
  return { page, complaints, origins, failures, close };
}

const operation = (page: Page, tag: string, id: string) => page.locator(`[id="operations-${tag}-${id}"]`);
const visible = (page: Page, label: string) =>
  page.getByRole('button', { name: label, exact: true }).first().isVisible();
/** Returns how many pixels the page is wider than the window: 0 if nothing needs to scroll sideways. */
const overflow = (page: Page) => page.evaluate('document.documentElement.scrollWidth - innerWidth');

test.each([{ width: 1280 }, { width: 375 }])(
  'the documentation shows every operation at a width of $width px',
  async ({ width }) => {
    const { page, complaints, origins, failures, close } = await openDocs({ width });

    const shown = await page.locator('.opblock').evaluateAll((blocks) => blocks.map(({ id }) => id));
    expect(shown.length).toBe(api.endpoints.length);
    for (const tag of ['integrations', 'credentials', 'builds', 'audit']) {
      expect(await page.locator(`[id="operations-tag-${tag}"]`).isVisible(), tag).toBe(true);
      expect(shown.filter((id) => id.startsWith(`operations-${tag}-`)).length, tag).toBeGreaterThan(0);
    }
    for (const id of ['integrations-updateIntegration', 'builds-getBuild', 'audit-listAudit']) {
      expect(await page.locator(`[id="operations-${id}"]`).isVisible(), id).toBe(true);
    }

    const update = operation(page, 'integrations', 'updateIntegration');
    await update.locator('.opblock-summary-control').click();
    const body = update.locator('.opblock-section-request-body');
    await body.getByText('display_name', { exact: true }).waitFor();
    expect(await body.getByText('metadata', { exact: true }).isVisible()).toBe(true);
    const answers = update.locator('.responses-wrapper');
    await answers.getByText('status_reason', { exact: true }).waitFor();
    expect(await answers.getByText('precondition_failed', { exact: true }).isVisible()).toBe(true);
    expect(await page.getByText(/Something went wrong|Could not|Unable to render/i).count()).toBe(0);
    expect(await page.locator('.errors-wrapper').count()).toBe(0);

    for (const label of ['Try it out', 'Authorize', 'Execute']) expect(await visible(page, label), label).toBe(false);
    expect(await overflow(page)).toBe(0);
    expect({ complaints, failures, origins: [...origins] }).toEqual({
      complaints: [],
      failures: [],
      origins: [api.url],
    });
    await close();
  },
);

test('searches the operations of all tags for several words', async () => {
  const { page, complaints, close } = await openDocs({ width: 1280 });
  const shown = () => page.locator('.opblock').evaluateAll((blocks) => blocks.map(({ id }) => id));
  const search = page.getByRole('searchbox', { name: 'Search operations' });
  await search.fill('POST rotate');
  await expect.poll(shown).toEqual(['operations-credentials-rotateCredential']);
  await search.fill('no such operation');
  await expect.poll(shown).toEqual([]);
  await search.fill('');
  await expect.poll(async () => (await shown()).length).toBe(api.endpoints.length);
  expect(complaints).toEqual([]);
  await close();
});

test('follows the preferred colour scheme', async () => {
  const { page, complaints, close } = await openDocs({ width: 1280, dark: true });
  const background = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
  expect(await background()).toBe('rgb(28, 32, 34)');
  await page.emulateMedia({ colorScheme: 'light' });
  await expect.poll(background).toBe('rgb(255, 255, 255)');
  expect(complaints).toEqual([]);
  await close();
});

test('blocks and reports a script from another server', async () => {
  const { page, complaints, failures, close } = await openDocs({ width: 1280 });
  await page.evaluate(
    `document.body.append(Object.assign(document.createElement('script'), { src: 'http://127.0.0.2:9/x.js' }))`,
  );
  await expect.poll(() => complaints.join()).toMatch(/Content Security Policy/);
  expect(failures.length).toBeGreaterThan(0);
  await close();
});
