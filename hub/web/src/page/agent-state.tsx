import type { AgentDetail, AttestationState, HoldKind } from "@sonde/schemas/hub";
import { Badge, type Level, Said } from "./parts.tsx";

/** What an agent is in a word: held before all else, since a held one answers nothing. */
export type AgentState = HoldKind | "online" | "offline";

export function stateOf({ holds, online }: AgentDetail): AgentState {
  return holds[0]?.kind ?? (online ? "online" : "offline");
}

const LEVELS: Record<AgentState, Level> = {
  ...{ online: "good", offline: "none", locked: "bad" },
  ...{ quarantined: "bad", "rolled-back": "bad", restricted: "warn" },
};

export function StateBadge(props: { agent: AgentDetail }) {
  const state = stateOf(props.agent);
  // A hub of a later release may know other kinds.
  return <Badge level={LEVELS[state] ?? "bad"}>{state}</Badge>;
}

const DRIFT: Record<AttestationState, { level: Level; text: string }> = {
  approved: { level: "good", text: "as approved" },
  expected: { level: "none", text: "as expected" },
  review: { level: "warn", text: "to review" },
  unapproved: { level: "warn", text: "not approved" },
  "not-attested": { level: "none", text: "no statement" },
};

export function DriftBadge(props: { attestation: AgentDetail["attestation"] }) {
  const { state, review } = props.attestation;
  const { level, text } = DRIFT[state] ?? { level: "warn", text: state };
  return <Badge level={level}>{state === "review" ? `${review} ${text}` : text}</Badge>;
}

/** True when a person should look at the agent. */
export function needsPerson({ holds, attestation, packs }: AgentDetail): boolean {
  return (
    holds.length > 0 ||
    ["review", "unapproved"].includes(attestation.state) ||
    packs.some(({ state }) => WAITING.has(state))
  );
}

/** States of a pack that a person on the host ends. */
export const WAITING: ReadonlySet<string> = new Set(["pending", "held"]);

export function Tags(props: { tags: readonly string[]; choose?: (tag: string) => void }) {
  const { tags, choose } = props;
  if (tags.length === 0) return null;
  return (
    <ul class="tags" aria-label="Tags">
      {tags.map((tag) => (
        <li key={tag}>
          {choose === undefined ? (
            <span class="tag">
              <Said text={tag} />
            </span>
          ) : (
            <button type="button" class="tag" onClick={() => choose(tag)} title={`Only ${tag}`}>
              <Said text={tag} />
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
