import { expect, test } from 'vitest';
import { type LiveDocument, withLiveIds, withoutResponse } from '../../scripts/test-conformance/live-document.ts';
import { countsOf, operationsThatSucceeded, type RunReport } from '../../scripts/test-conformance/results.ts';

const example = 'app_01k4z9v7c1q8x0m3t5n2b6d4fa';
const parameter = { in: 'path', name: 'app', schema: { examples: [example] } };
const document: LiveDocument = {
  paths: {
    '/v1/apps/{app}': {
      get: { parameters: [parameter], responses: { 200: {}, 404: {} } },
      delete: { parameters: [parameter], responses: { 204: {} } },
    },
  },
};

test('gives an operation the id of an existing resource, and a deletion a spare one', () => {
  const { paths } = withLiveIds(document, { app: 'app_live' }, { app: 'app_spare' });
  expect(paths['/v1/apps/{app}']?.['get']?.parameters).toMatchObject([
    { example: 'app_live', schema: { examples: ['app_live'] } },
  ]);
  expect(paths['/v1/apps/{app}']?.['delete']?.parameters).toMatchObject([{ example: 'app_spare' }]);
  expect(withLiveIds(document, {}, {}).paths['/v1/apps/{app}']?.['get']?.parameters).toMatchObject([{ example }]);
});

test('removes a documented response, to see the run fail', () => {
  const without = withoutResponse(document, 'GET /v1/apps/{app} 404');
  expect(Object.keys(without.paths['/v1/apps/{app}']?.['get']?.responses ?? {})).toEqual(['200']);
  expect(() => withoutResponse(document, 'GET /v1/apps/{app} 500')).toThrow('no response GET');
});

const clean: RunReport = {
  complete: true,
  stop_reason: 'completed',
  operations: { total: 3, selected: 3, tested: 3, errored: 0, skipped: 0 },
  test_cases: { generated: 40 },
  failures: [],
  errors: [],
};

test('counts each operation once', () => {
  expect(countsOf('seed 1', clean, 3)).toEqual({ passed: 3, failed: 0, problems: [] });
  const failures = [
    { title: 'Undocumented status code', operations: ['GET /a', 'GET /b'] },
    { title: 'Server error', operations: ['GET /a'] },
  ];
  const counts = countsOf('seed 1', { ...clean, failures }, 3);
  expect(counts).toMatchObject({ passed: 1, failed: 2 });
  expect(counts.problems).toContain('seed 1: GET /b: Undocumented status code');
});

test.each<[string, RunReport | undefined, string]>([
  ['wrote no report', undefined, 'wrote no report'],
  ['ended early', { ...clean, complete: false, stop_reason: 'interrupted' }, 'ended early: interrupted'],
  ['left out an operation', { ...clean, operations: { ...clean.operations, tested: 2 } }, 'tested 2 of 3 operations'],
  ['had an error', { ...clean, errors: [{ title: 'Network error' }] }, 'Network error'],
  ['sent nothing', { ...clean, test_cases: { generated: 0 } }, 'sent nothing'],
])('fails a run that %s', (_, report, problem) => {
  const { failed, problems } = countsOf('seed 1', report, 3);
  expect(failed).toBe(1);
  expect(problems.join()).toContain(problem);
});

test('counts the operations that the metrics show as successful', () => {
  const line = (method: string, route: string, status: number) =>
    `fairlead_http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"} 3`;
  const metrics = [line('GET', '/a', 200), line('GET', '/a', 404), line('GET', '/b', 303), line('POST', '/a', 400)];
  expect(operationsThatSucceeded(metrics.join('\n'))).toBe(2);
});
