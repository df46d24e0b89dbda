import { type JobIdentity, parseJobIdentity } from "@sonde/schemas/registry";

/**
 * Reads the job's identity from the claims of a verified token. A missing claim, or one of another
 * type, is refused.
 *
 * @throws SondeError IDENTITY_REFUSED
 */
export function readIdentity(
  kind: JobIdentity["kind"],
  claims: ReadonlyMap<string, unknown>,
): JobIdentity {
  const read = (name: string): unknown => claims.get(name) ?? null;
  switch (kind) {
    case "github":
      return parseJobIdentity({
        kind,
        repository: read("repository"),
        repositoryId: read("repository_id"),
        workflowRef: read("job_workflow_ref"),
        environment: read("environment"),
      });
    case "gitlab":
      return parseJobIdentity({
        kind,
        projectPath: read("project_path"),
        projectId: read("project_id"),
        refType: read("ref_type"),
        ref: read("ref"),
      });
    case "generic":
      return parseJobIdentity({ kind, sub: read("sub") });
  }
}
