import type { Evidence, EvidenceFinding, JudgedEvidence } from "@sonde/schemas/evidence";
import { useEffect, useState } from "preact/hooks";
import { ask, part } from "../api.ts";
import { useRight } from "../live.ts";
import { Badge, Failure, type Level, Said, useAct } from "../parts.tsx";

const LEVELS: Record<EvidenceFinding["state"], Level> = {
  proven: "good",
  stated: "none",
  missing: "warn",
  broken: "bad",
};

/** What proves a call, made when somebody asks for it: that it was read is an entry of the log. */
export function CallEvidence({ callId }: { callId: string }) {
  const mayRead = useRight("audit.read");
  const [judged, setJudged] = useState<JudgedEvidence | null>(null);
  const { isRunning, refusal, run } = useAct();
  if (!mayRead) return null;
  const read = () =>
    run(async () => {
      setJudged(await ask<JudgedEvidence>("GET", `/calls/${part(callId)}/evidence/verdict`));
    });
  return (
    <section class="sheet" aria-labelledby="proof">
      <h2 id="proof">What is proven</h2>
      {refusal === null ? null : <Failure refusal={refusal} />}
      {judged === null ? (
        <>
          <p class="note">
            The hub signs its log, asks the hosts for their word, and puts all that proves this call
            into one file. That you read it is an entry of the log.
          </p>
          <button type="button" onClick={read} disabled={isRunning}>
            {isRunning ? "Making the file" : "Show the evidence"}
          </button>
        </>
      ) : (
        <Judged of={judged} />
      )}
    </section>
  );
}

function Judged({ of: { evidence, sound, findings, fingerprint } }: { of: JudgedEvidence }) {
  return (
    <>
      <p>
        {sound ? (
          "Nothing in the file contradicts the rest."
        ) : (
          <Badge level="bad">The file contradicts itself: do not rely on it</Badge>
        )}
      </p>
      <table>
        <caption class="unseen">What the file shows, by whom</caption>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Worth</th>
            <th scope="col">Who says what</th>
          </tr>
        </thead>
        <tbody>
          {findings.map(({ about, state, by, says }, place) => (
            <tr key={place}>
              <th scope="row">{about}</th>
              <td>
                <Badge level={LEVELS[state]}>{state}</Badge>
              </td>
              <td>
                <Said text={`${by}: ${says}`} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Download evidence={evidence} />
      <p class="note">
        This is the hub's word about its own file. Whoever has the file verifies it without the hub,
        with <code>sonde-evidence FILE</code>, against the fingerprint of the hub's CA that a host
        pinned: <Said code text={fingerprint} />
      </p>
    </>
  );
}

/** The very file that was judged. */
function Download({ evidence }: { evidence: Evidence }) {
  const [address, setAddress] = useState("");
  useEffect(() => {
    const text = `${JSON.stringify(evidence, null, 1)}\n`;
    const made = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [evidence]);
  if (address === "") return null;
  return (
    <p>
      <a href={address} download={`evidence-${evidence.callId}.json`}>
        Download the file
      </a>
    </p>
  );
}
