import { mostInputsFor } from '../../db/builds/input-limits.ts';
import type { Db } from '../../db/store/connection.ts';
import { tooManyInputs } from '../../domain/builds/workflow-inputs.ts';
import { Problem } from '../http/problems.ts';

/** What the GitHub of this repository would not start: an Enterprise Server takes fewer inputs than github.com. */
export async function refuseManyInputs(
  db: Db,
  repositoryId: string | undefined,
  inputs: Record<string, string>,
): Promise<void> {
  if (repositoryId === undefined) return;
  const complaint = tooManyInputs(inputs, await mostInputsFor(db, repositoryId));
  if (complaint) throw new Problem('workflow_inputs_too_many', complaint);
}
