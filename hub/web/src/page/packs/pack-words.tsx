import type { RegistryVersion } from "@sonde/schemas/hub";
import type { PackSummary } from "@sonde/schemas/registry";
import { Badge, Said } from "../parts.tsx";

type Reach = PackSummary["reach"];
type Severity = PackSummary["advisories"][number]["severity"];

const LEVELS: Record<Reach["capability"], string> = {
  ...{ observe: "only looks", interact: "acts on services", manage: "changes the host" },
};

/** In short what a version could reach on a host. */
export function Reach({ reach }: { reach: Reach }) {
  const { capability, groups, reads } = reach;
  return (
    <p class="reach">
      <Badge level={capability === "observe" ? "good" : "bad"}>
        {LEVELS[capability] ?? capability}
      </Badge>
      {groups.map(({ name, isRoot }) => (
        <Badge key={name} level={isRoot ? "bad" : "warn"}>
          group <Said text={name} />
          {isRoot ? ", as good as root" : null}
        </Badge>
      ))}
      {reads.map(({ category, count }) => (
        <Badge key={category} level="none">{`${category}: ${count}`}</Badge>
      ))}
    </p>
  );
}

/** That somebody advises against it, in a word or two. */
export function Marks(props: {
  isWithdrawn: boolean;
  isDeprecated: boolean;
  severities: readonly Severity[];
}) {
  const worst = (["critical", "high", "moderate", "low"] as const).find((severity) =>
    props.severities.includes(severity),
  );
  return (
    <>
      {props.isWithdrawn ? <Badge level="bad">every version withdrawn</Badge> : null}
      {worst === undefined ? null : (
        <Badge level={worst === "low" ? "warn" : "bad"}>{`advisory: ${worst}`}</Badge>
      )}
      {props.isDeprecated ? <Badge level="warn">deprecated</Badge> : null}
    </>
  );
}

/** What was said against a version, the gravest first, in full. */
export function Warnings({ version }: { version: RegistryVersion }) {
  const { said, stopped } = version;
  const { state, advisories, deprecated, warnings, latest } = said;
  const lines: [string, string][] = [
    ...(latest === null
      ? [["Withdrawn", "Every version of this pack was."] as [string, string]]
      : []),
    // What the log says counts, also where the registry's page is silent about it.
    ...(stopped === null ? [] : [["Stopped by the log", stopped] as [string, string]]),
    ...(state.quarantined === null ? [] : [["Quarantined", state.quarantined] as [string, string]]),
    ...advisories.map(({ id, severity, range, text }): [string, string] => [
      `Advisory ${id}, ${severity}`,
      `Versions ${range}: ${text}`,
    ]),
    ...(state.yanked === null ? [] : [["Yanked", state.yanked] as [string, string]]),
    ...(deprecated === null ? [] : [["Deprecated", deprecated] as [string, string]]),
    ...warnings.map((text): [string, string] => ["Easily confused", text]),
  ];
  if (lines.length === 0) return null;
  return (
    <ul class="hold plain-list" aria-label="Warnings">
      {lines.map(([what, text]) => (
        <li key={`${what} ${text}`}>
          <strong>
            <Said text={what} />.
          </strong>{" "}
          <Said text={text} />
        </li>
      ))}
    </ul>
  );
}
