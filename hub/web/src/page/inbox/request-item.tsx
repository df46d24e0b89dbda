import type { ApprovalOutcome } from "@sonde/schemas/approvals";
import { ask, part } from "../api.ts";
import { useRight } from "../live.ts";
import { Badge, countOf, Failure, Lines, Said, Time, useAct } from "../parts.tsx";
import { Link } from "../router.tsx";
import type { PackRequest, SharedRequest } from "./waiting.ts";

type Item = PackRequest["items"][number];

/**
 * What a pack asks of one host or of several alike: how it differs from the version that serves, each
 * read, and who may grant it.
 */
export function RequestItem(props: { of: SharedRequest; said: (text: string) => void }) {
  const [first] = props.of.of;
  if (first === undefined) return null;
  const { pack, version, difference, items, windows, hostCommand, reason } = first;
  const grantable = items.filter(({ hubMayGrant, state }) => hubMayGrant && state !== "granted");
  return (
    <li>
      <h3>
        <Said text={pack} /> <span class="note">{version}</span>
      </h3>
      <ul class="tags hosts-list" aria-label="Hosts">
        {props.of.of.map(({ agent, online }) => (
          <li key={agent}>
            <Link to={["hosts", agent]}>
              <Said text={agent} />
            </Link>{" "}
            {online ? null : <Badge level="none">offline</Badge>}
          </li>
        ))}
      </ul>
      {reason === null ? null : (
        <p class="note">
          <Said code text={reason.code} /> <Said text={reason.message} />
        </p>
      )}
      {difference === null ? null : <Difference of={difference} />}
      <details open={difference === null}>
        <summary>{`What it asks for: ${countOf(items.length, "item")}`}</summary>
        <ul class="reads" aria-label={`What ${pack} asks for`}>
          {items.map((item) => (
            <ItemLine key={item.item} item={item} />
          ))}
        </ul>
        {windows.length === 0 ? null : (
          <ul class="reads note" aria-label={`How much ${pack} reads`}>
            {windows.map((window) => (
              <li key={window}>
                <Said text={window} />
              </li>
            ))}
          </ul>
        )}
      </details>
      <Decide of={props.of.of} grantable={grantable} said={props.said} />
      {hostCommand === null ? null : (
        <>
          <p class="note">Only a person on the host can grant the rest:</p>
          <Lines label={`Approve ${pack} on the host`} text={`sudo ${hostCommand}`} />
        </>
      )}
    </li>
  );
}

function ItemLine({ item: { item, words, reads, state, by, hubMayGrant } }: { item: Item }) {
  return (
    <li>
      <Said text={words} />{" "}
      {state === "granted" ? (
        <Badge level="good">{by === "hub" ? "granted by this hub" : "granted on the host"}</Badge>
      ) : state === "withheld" ? (
        <Badge level="warn">refused on the host</Badge>
      ) : hubMayGrant ? (
        <Badge level="none">this hub may grant it</Badge>
      ) : (
        <Badge level="warn">the host decides</Badge>
      )}
      {(reads.length === 0 ? [item] : reads).map((read) => (
        <code class="exact" key={read}>
          <Said text={read} />
        </code>
      ))}
    </li>
  );
}

/** In words, how a version differs from the one that serves. */
function Difference({ of }: { of: NonNullable<PackRequest["difference"]> }) {
  const { from, added, removed, wider, probes } = of;
  const lines: [string, readonly string[]][] = [
    ["It asks for more", added],
    ["It reads more of", wider],
    ["It asks no longer for", removed],
    ["Questions that are new", probes.added],
    ["Questions that may do more than before", probes.raised],
    ["Questions that are others now", probes.changed],
    ["Questions that are gone", probes.removed],
  ];
  return (
    <>
      <p>{`Beside ${from}, which serves until then:`}</p>
      <dl class="facts">
        {lines
          .filter(([, what]) => what.length > 0)
          .map(([name, what]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {what.map((one) => (
                  <code class="exact" key={one}>
                    <Said text={one} />
                  </code>
                ))}
              </dd>
            </div>
          ))}
      </dl>
    </>
  );
}

function Decide(props: {
  of: readonly PackRequest[];
  grantable: readonly Item[];
  said: (text: string) => void;
}) {
  const { of, grantable, said } = props;
  const mayApprove = useRight("packs.approve");
  const { run, isRunning, refusal } = useAct();
  const [first] = of;
  if (first === undefined) return null;
  const { pack, approval } = first;
  const waits = approval !== null && approval.takenAt === null;
  const on = of.length === 1 ? "" : ` on ${countOf(of.length, "host")}`;
  const label = `Approve ${countOf(grantable.length, "item")}${on}`;
  const routeOf = ({ agent }: PackRequest, act: string) => {
    const path = pack.split("/").map(part).join("/");
    return `/agents/${part(agent)}/packs/${path}/${act}`;
  };
  // One host after the other, each for exactly what was shown of it.
  const approve = async () => {
    const results: string[] = [];
    for (const request of of) {
      const { shownSha256 } = request;
      const outcome = await ask<ApprovalOutcome>("POST", routeOf(request, "approve"), {
        shownSha256,
      });
      results.push(tellOutcome(request.agent, outcome));
    }
    said(`${pack}: ${results.join(" ")}`);
  };
  const takeBack = async () => {
    for (const request of of) await ask("POST", routeOf(request, "revoke-approval"));
    said(`${pack}: taken back.`);
  };
  return (
    <>
      {approval === null ? null : (
        <p>
          Approved <Time at={approval.at} /> by <Said text={approval.byName} />.{" "}
          {waits ? "The host has not taken it over yet." : ""}
        </p>
      )}
      {refusal === null ? null : <Failure refusal={refusal} again={() => said("")} />}
      {mayApprove && approval !== null ? (
        <p class="acts">
          <button
            type="button"
            class="plain"
            aria-label={`Take it back from ${pack}`}
            disabled={isRunning}
            onClick={() => run(takeBack)}
          >
            Take it back
          </button>
        </p>
      ) : null}
      {mayApprove && !waits && grantable.length > 0 ? (
        <p class="acts">
          <button
            type="button"
            aria-label={`${label} of ${pack}`}
            disabled={isRunning}
            onClick={() => run(approve)}
          >
            {label}
          </button>
        </p>
      ) : null}
    </>
  );
}

function tellOutcome(agent: string, { items }: ApprovalOutcome): string {
  const count = (which: string) => items.filter(({ outcome }) => outcome === which).length;
  const [granted, waits, held] = [count("granted"), count("waits"), count("held")];
  const words = [
    ...(granted > 0 ? [`${granted} granted`] : []),
    ...(waits > 0 ? [`${waits} wait for the host`] : []),
    ...(held > 0 ? [`${held} left to the host`] : []),
  ];
  return `${agent}: ${words.join(", ")}.`;
}
