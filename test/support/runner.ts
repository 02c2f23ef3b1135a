import path from 'node:path';
import { type RunnerTask, TestRunner } from 'vitest';
import { retries } from './retries.ts';

const root = path.join(import.meta.dirname, '..', '..');

/** Retries a failed test once, but only in the gate and only if it is on the list. */
// biome-ignore lint/style/noDefaultExport: vitest takes a runner as the default export of its file.
export default class Runner extends TestRunner {
  override async onBeforeRunTask(test: RunnerTask): Promise<void> {
    const file = path.relative(root, test.file.filepath);
    const mayRetry = retries.some((one) => one.file === file && one.test === test.name);
    test.retry = process.env['CI'] && mayRetry ? 1 : 0;
    await super.onBeforeRunTask(test);
  }
}
