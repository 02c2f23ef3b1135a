import { expect, test } from 'vitest';
import { inspectWorkflow } from '../../../providers/github/repository/workflow-file.ts';

const required = ['fairlead_build', 'fairlead_sha', 'fairlead_ref'];

const good = `
name: build
run-name: build \${{ inputs.fairlead_build }}
on:
  push:
    branches: [main]
  workflow_dispatch:
    inputs:
      fairlead_build: { required: true }
      fairlead_sha:
      fairlead_ref:
        description: what to build
jobs: {}
`;

test('accepts a file with the trigger, the inputs and the run name', () => {
  expect(inspectWorkflow(good, required)).toEqual({
    readable: true,
    dispatchable: true,
    missingInputs: [],
    runNameShowsBuild: true,
  });
});

test('names the undeclared inputs', () => {
  const file = good.replace('fairlead_sha:', 'sha:');

  expect(inspectWorkflow(file, [...required, 'stage'])).toMatchObject({
    dispatchable: true,
    missingInputs: ['fairlead_sha', 'stage'],
  });
});

test.each([
  ['on: workflow_dispatch', true],
  ['on: [push, workflow_dispatch]', true],
  ['on:\n  workflow_dispatch:', true],
  ['on:\n  workflow_dispatch: {}', true],
  ['"on":\n  workflow_dispatch:', true],
  ['%YAML 1.1\n---\non:\n  workflow_dispatch:', true],
  ['on: push', false],
  ['on: [push]', false],
  ['on:\n  workflow_call:', false],
  ['name: nothing', false],
])('%j is dispatchable: %s', (file, dispatchable) => {
  expect(inspectWorkflow(file, ['a'])).toMatchObject({ readable: true, dispatchable, missingInputs: ['a'] });
});

test.each([
  [`build \${{ inputs.fairlead_build }}`, true],
  [`build \${{ inputs['fairlead_build'] }}`, true],
  [`\${{ github.event.inputs.fairlead_build }}`, true],
  [`\${{ format('{0} {1}', github.actor, inputs.fairlead_build) }}`, true],
  ['inputs.fairlead_build', false],
  [`\${{ inputs.fairlead_builder }}`, false],
  [`\${{ github.sha }} inputs.fairlead_build`, false],
  ['build', false],
])('the run name %j shows the build: %s', (runName, shows) => {
  const file = `run-name: ${JSON.stringify(runName)}\non: workflow_dispatch`;

  expect(inspectWorkflow(file, [])).toMatchObject({ readable: true, runNameShowsBuild: shows });
});

const bomb = [
  'a: &a [x]',
  ...'bcdefghij'.split('').map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefghij'[i]}`)}]`),
];

test.each([
  ['', 'nothing'],
  ['- a list', 'a list'],
  ['on: [push', 'a broken list'],
  ['on: push\non: workflow_dispatch', 'a key twice'],
  [bomb.join('\n'), 'aliases without end'],
  [`name: ${'x'.repeat(600_000)}`, 'far too much'],
])('calls a file that is not a workflow unreadable (case %#)', (file) => {
  expect(inspectWorkflow(file, required)).toEqual({
    readable: false,
    dispatchable: false,
    missingInputs: required,
    runNameShowsBuild: false,
  });
});
