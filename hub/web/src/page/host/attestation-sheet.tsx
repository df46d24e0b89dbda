import type { AgentAttestation, AgentDetail } from "@sonde/schemas/hub";
import { DriftBadge } from "../agent-state.tsx";
import { ask, part } from "../api.ts";
import { useRight } from "../live.ts";
import { Badge, Facts, Failure, Said, Time, useAct, useRead, Waiting } from "../parts.tsx";

/** What a host says about itself, and how that differs from what a person approved. */
export function AttestationSheet({ agent }: { agent: AgentDetail }) {
  const mayRead = useRight("drift.read");
  return (
    <section class="sheet" aria-labelledby="statement">
      <h2 id="statement">
        Statement <DriftBadge attestation={agent.attestation} />
      </h2>
      {mayRead ? <Statement agent={agent} /> : null}
    </section>
  );
}

export function Statement({ agent }: { agent: AgentDetail }) {
  const { state, expected, review } = agent.attestation;
  const { value, refusal, again } = useRead(
    () => ask<AgentAttestation>("GET", `/agents/${part(agent.name)}/attestation`),
    [agent.name, state, expected, review, agent.lastSeenAt],
  );
  if (refusal !== null) return <Failure refusal={refusal} again={again} />;
  if (value === null) return <Waiting rows={4} />;
  const { attestedAt, approvedAt, approvedBy, differences, statement } = value;
  if (attestedAt === null) {
    return (
      <p class="note">The host has said nothing about itself yet. It does when it connects.</p>
    );
  }
  return (
    <>
      <p class="note">
        Said <Time at={attestedAt} />.{" "}
        {approvedAt === null ? (
          "Nobody approved a statement of it yet."
        ) : (
          <>
            Approved <Time at={approvedAt} /> by <Said text={approvedBy ?? ""} />.
          </>
        )}
      </p>
      <Differences differences={differences} />
      <Accept attestation={value} again={again} />
      {statement === null ? null : (
        <details>
          <summary>All that it says</summary>
          <Facts
            of={[
              ["Kernel", <Said text={statement.kernel} />],
              ["System", <Said text={statement.os} />],
              ["Architecture", <Said text={statement.arch} />],
              ["Security modules", <Said text={statement.lsm} />],
              ["Secure Boot", <Said text={statement.secureBoot} />],
              ["TPM", <Said text={statement.tpm} />],
              ["Node", <Said text={statement.runtimeVersion} />],
              ["May at most", statement.maxCapability],
              ["Program", <Said code text={statement.programSha256} />],
              ["Configuration", <Said code text={statement.configSha256} />],
            ]}
          />
        </details>
      )}
    </>
  );
}

export function Differences({ differences }: Pick<AgentAttestation, "differences">) {
  if (differences.length === 0) return <p>It is as it was approved.</p>;
  return (
    <table>
      <caption class="unseen">Differences from what was approved</caption>
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">Approved, and now</th>
        </tr>
      </thead>
      <tbody>
        {differences.map(({ what, drift, approved, stated }) => (
          <tr key={what}>
            <th scope="row">
              <Said text={what} />{" "}
              <Badge level={drift === "review" ? "warn" : "none"}>
                {drift === "review" ? "to review" : "expected"}
              </Badge>
            </th>
            <td>
              <p class="was">{approved === null ? "not there" : <Said code text={approved} />}</p>
              <p>{stated === null ? "gone" : <Said code text={stated} />}</p>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Accept(props: { attestation: AgentAttestation; again: () => void }) {
  const { agent, statementSha256, state, differences } = props.attestation;
  const mayAccept = useRight("drift.manage");
  const { run, isRunning, refusal } = useAct();
  const isOpen = state === "unapproved" || differences.length > 0;
  if (!mayAccept || statementSha256 === null || !isOpen) return null;
  // Exactly what is shown is accepted: a statement that came meanwhile is refused.
  const accept = async () => {
    await ask("POST", `/agents/${part(agent)}/accept-drift`, { statementSha256 });
    props.again();
  };
  return (
    <>
      {refusal === null ? null : <Failure refusal={refusal} again={props.again} />}
      <p class="acts">
        <button type="button" disabled={isRunning} onClick={() => run(accept)}>
          Approve this statement
        </button>
      </p>
    </>
  );
}
