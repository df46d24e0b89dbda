import type { AuditEntry, ChainPage } from "@sonde/schemas/audit";
import type { CallProvenance } from "@sonde/schemas/hub";
import { ask, part } from "../api.ts";
import {
  Clock,
  Empty,
  Facts,
  Failure,
  PageTitle,
  Said,
  Shown,
  useRead,
  Waiting,
} from "../parts.tsx";
import { Link } from "../router.tsx";
import { CallEvidence } from "./call-evidence.tsx";
import { OutcomeBadge } from "./activity-table.tsx";
import { useNames } from "../subjects.ts";
import { useCalls } from "./use-lines.ts";

/** One call in full: who asked what, each hop, each read, and the evidence. */
export function CallPage({ callId }: { callId: string }) {
  const { calls, isRead, refusal: unread, again: readAgain } = useCalls({ call: callId });
  const nameOf = useNames();
  const [call] = calls;
  const outcome = call?.outcome;
  const { value, refusal, again } = useRead(
    () => ask<CallProvenance>("GET", `/calls/${part(callId)}`),
    [callId, outcome],
  );
  const isDenied = outcome === "denied";
  // All of the page comes at once, so that nothing moves.
  const isKnown = isRead || unread !== null;
  return (
    <>
      <PageTitle title="One call">
        <p class="lead">
          <Said code text={callId} />
        </p>
      </PageTitle>
      {call === undefined ? null : (
        <Facts
          of={[
            ["Question", <Said text={call.probe} />],
            ["Host", <Link to={["hosts", call.agent]}>{<Said text={call.agent} />}</Link>],
            ["Who", <Said text={nameOf(call.principal)} />],
            ["When (UTC)", <Clock at={call.at} />],
            ["Outcome", <OutcomeBadge call={call} />],
          ]}
        />
      )}
      {call === undefined ? null : <Detail detail={call.detail} />}
      {isDenied ? <p class="note">It was denied here, so it reached no host.</p> : null}
      {unread === null ? null : <Failure refusal={unread} again={readAgain} />}
      {refusal === null || isDenied || !isKnown ? null : (
        <Failure refusal={refusal} again={again} />
      )}
      {value !== null && isKnown ? <Provenance of={value} /> : null}
      {isKnown && (value !== null || refusal !== null) ? null : <Waiting rows={6} />}
      <CallEvidence callId={callId} key={callId} />
    </>
  );
}

function Provenance({ of }: { of: CallProvenance }) {
  const { pack, approved, reads, hops, audit } = of;
  const longest = Math.max(...hops.map(({ ms }) => ms), 1);
  return (
    <div class="columns">
      <div>
        <section class="sheet" aria-labelledby="hops">
          <h2 id="hops">Hops</h2>
          <table>
            <caption class="unseen">Milliseconds of each hop</caption>
            <thead>
              <tr>
                <th scope="col">Hop</th>
                <th scope="col" class="number">
                  Milliseconds
                </th>
                <th scope="col">
                  <span class="unseen">Bar</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {hops.map(({ hop, ms }) => (
                <tr key={hop}>
                  <th scope="row">
                    <Said text={hop} />
                  </th>
                  <td class="number">{ms.toFixed(1)}</td>
                  <td>
                    <svg class="ms" aria-hidden="true" height="8">
                      <rect class="track" width="100%" height="8" rx="4" />
                      <rect class="fill" width={`${(100 * ms) / longest}%`} height="8" rx="4" />
                    </svg>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <section class="sheet" aria-labelledby="reads">
          <h2 id="reads">What was read</h2>
          {reads.length === 0 ? <p class="note">Nothing is on record.</p> : null}
          <ul class="reads">
            {reads.map(({ name, what, bytes, ms }) => (
              <li key={name}>
                <code class="exact">
                  <Said text={what} />
                </code>
                <span class="note">{`${bytes.toLocaleString("en-US")} bytes in ${ms.toFixed(1)} ms`}</span>
              </li>
            ))}
          </ul>
        </section>
      </div>
      <section class="sheet" aria-labelledby="evidence">
        <h2 id="evidence">Evidence</h2>
        <Facts
          of={[
            ["Pack", <Said text={`${pack.name} ${pack.version}`} />],
            ["Its signer", <Said text={pack.signer} />],
            ["Approved on the host", <Approved approved={approved} />],
            ["Its archive", <Said code text={pack.digest} />],
          ]}
        />
        <h3>Entries of the hub's log</h3>
        <ul class="reads">
          {audit.hub.map(({ seq, hash }) => (
            <li key={seq}>
              <span class="note">{seq}</span> <Said code text={hash} />
            </li>
          ))}
        </ul>
        <h3>Head of the host's log</h3>
        <p>{audit.agent === null ? "none" : <Said code text={audit.agent.hash} />}</p>
      </section>
    </div>
  );
}

function Approved({ approved }: Pick<CallProvenance, "approved">) {
  if (approved === null) return <>Nobody had to.</>;
  if (approved === "unrecorded") return <>The record does not say.</>;
  return (
    <>
      <Said text={approved.by} />, <Clock at={approved.at} />
    </>
  );
}

/** What a record says beyond its named members. */
function Detail({ detail }: { detail: Readonly<Record<string, unknown>> }) {
  const shown = Object.entries(detail).filter(([name]) =>
    ["params", "reason", "tool"].includes(name),
  );
  if (shown.length === 0) return null;
  return (
    <pre tabIndex={0} aria-label="What it was asked with" class="detail">
      <Said text={JSON.stringify(Object.fromEntries(shown))} />
    </pre>
  );
}

/** One entry of the log in full. */
export function EntryPage({ seq }: { seq: string }) {
  const nameOf = useNames();
  const read = useRead(() => readEntry(seq), [seq]);
  return (
    <>
      <PageTitle title="One entry" />
      <Shown of={read}>
        {(entry) =>
          entry === undefined ? (
            <Empty title="The log has no entry of this number." />
          ) : "record" in entry ? (
            <Entry entry={entry} nameOf={nameOf} />
          ) : (
            <Empty title="The content of this entry was dropped, as this hub's retention says." />
          )
        }
      </Shown>
    </>
  );
}

async function readEntry(seq: string): Promise<ChainPage["entries"][number] | undefined> {
  if (!/^[1-9][0-9]{0,14}$/.test(seq)) return undefined;
  const page = await ask<ChainPage>("GET", `/audit?afterSeq=${Number(seq) - 1}&limit=1`);
  return page.entries.find((entry) => entry.seq === Number(seq));
}

function Entry({ entry, nameOf }: { entry: AuditEntry; nameOf: (principal: string) => string }) {
  const { record, hash, previous } = entry;
  return (
    <>
      <Facts
        of={[
          ["Event", <Said text={record.event} />],
          ["When (UTC)", <Clock at={record.at} />],
          ["Who", <Said text={record.principal === null ? "the hub" : nameOf(record.principal)} />],
          ["Host", <Said text={record.agent ?? "none"} />],
          ["Status", <Said text={[record.status, record.code ?? ""].join(" ")} />],
        ]}
      />
      <pre tabIndex={0} aria-label="Detail" class="detail">
        {JSON.stringify(record.detail, null, 2)
          .split("\n")
          .map((line, place) => (
            <div key={place}>
              <Said text={line} />
            </div>
          ))}
      </pre>
      <Facts
        of={[
          ["Hash", <Said code text={hash} />],
          ["Hash of the entry before", <Said code text={previous} />],
        ]}
      />
    </>
  );
}
