import { Badge, Clock, type Level, Said } from "../parts.tsx";
import { Link } from "../router.tsx";
import type { Call, Line } from "./build-activity.ts";
import { type Asked, askedOf, isAgent, isSubject } from "./filters.ts";
import { useNames } from "../subjects.ts";

const OUTCOMES: Record<Call["outcome"], { level: Level; text: string }> = {
  running: { level: "none", text: "running" },
  asked: { level: "none", text: "asked" },
  ok: { level: "good", text: "answered" },
  failure: { level: "warn", text: "failed" },
  denied: { level: "bad", text: "denied" },
  unknown: { level: "warn", text: "unknown" },
};

export function OutcomeBadge({ call }: { call: Call }) {
  const { level, text } = OUTCOMES[call.outcome];
  return (
    <>
      <Badge level={level}>{text}</Badge>{" "}
      {call.code === null ? null : <Said code text={call.code} />}
    </>
  );
}

/** Calls, the newest first. */
export function CallTable({ calls, withHost }: { calls: readonly Call[]; withHost: boolean }) {
  const nameOf = useNames();
  return (
    <table>
      <caption class="unseen">Calls</caption>
      <thead>
        <tr>
          <th scope="col">When (UTC)</th>
          <th scope="col">Question</th>
          {withHost ? <th scope="col">Host</th> : null}
          <th scope="col">Outcome</th>
          <th scope="col" class="middle">
            Who
          </th>
        </tr>
      </thead>
      <tbody>
        {calls.map((call) => (
          <tr key={call.callId}>
            <td>
              <Clock at={call.at} />
            </td>
            <th scope="row">
              <Link to={["activity", "calls", call.callId]}>
                <Said text={call.probe} />
              </Link>
            </th>
            {withHost ? (
              <td>
                <Said text={call.agent} />
              </td>
            ) : null}
            <td>
              <OutcomeBadge call={call} />
            </td>
            <td class="middle">
              <Said text={nameOf(call.principal)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

type Choose = (asked: Asked) => void;

/** Lines of the log, the newest first. Who and host can be pressed to see only these. */
export function LineTable(props: {
  lines: readonly Line[];
  nameOf: (principal: string) => string;
  choose: Choose;
}) {
  return (
    <table class="activity">
      <caption class="unseen">Activity, the newest first. Times are UTC.</caption>
      <thead>
        <tr>
          <th scope="col">When (UTC)</th>
          <th scope="col">What</th>
          <th scope="col" class="middle">
            Host
          </th>
          <th scope="col" class="middle">
            Who
          </th>
          <th scope="col">Outcome</th>
          <th scope="col" class="extra number">
            Took
          </th>
        </tr>
      </thead>
      <tbody>
        {props.lines.map((line) => (
          <LineRow key={line.seq} line={line} nameOf={props.nameOf} choose={props.choose} />
        ))}
      </tbody>
    </table>
  );
}

function LineRow(props: { line: Line; nameOf: (principal: string) => string; choose: Choose }) {
  const { line, nameOf, choose } = props;
  const { at, principal, agent } = line.kind === "call" ? line.call : line.entry.record;
  const durationMs = line.kind === "call" ? line.call.durationMs : null;
  return (
    <tr>
      <td>
        <Clock at={at} />
      </td>
      <th scope="row">
        {line.kind === "call" ? (
          <Link to={["activity", "calls", line.call.callId]}>
            <Said text={line.call.probe} />
          </Link>
        ) : (
          <Link to={["activity", "entries", String(line.seq)]}>
            <Said text={line.entry.record.event} />
          </Link>
        )}
      </th>
      <td class="middle">
        <Choice
          text={agent ?? ""}
          asked={isAgent(agent ?? "") ? { agent: agent ?? "" } : null}
          choose={choose}
        />
      </td>
      <td class="middle">
        <Choice
          text={nameOf(principal ?? "")}
          asked={isSubject(principal ?? "") ? askedOf(principal ?? "") : null}
          choose={choose}
        />
      </td>
      <td>
        {line.kind === "call" ? <OutcomeBadge call={line.call} /> : <EntryStatus line={line} />}
      </td>
      <td class="extra number">{durationMs === null ? "" : `${Math.round(durationMs)} ms`}</td>
    </tr>
  );
}

function EntryStatus({ line }: { line: Extract<Line, { kind: "entry" }> }) {
  const { status, code } = line.entry.record;
  if (status === "info" || (status === "ok" && code === null)) return null;
  return (
    <>
      <Badge level={status === "denied" ? "bad" : "warn"}>{status}</Badge>{" "}
      {code === null ? null : <Said code text={code} />}
    </>
  );
}

/** A text that can be pressed, where it can be looked for. */
function Choice(props: { text: string; asked: Asked | null; choose: Choose }) {
  const { text, asked, choose } = props;
  if (text === "") return null;
  if (asked === null) return <Said text={text} />;
  return (
    <button type="button" class="tag" onClick={() => choose(asked)} title="Only these">
      <Said text={text} />
    </button>
  );
}
