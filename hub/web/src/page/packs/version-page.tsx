import type { RegistryVersion } from "@sonde/schemas/hub";
import type { PackVersions } from "@sonde/schemas/registry";
import { useState } from "preact/hooks";
import { ask, part } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import {
  Badge,
  countOf,
  Empty,
  Facts,
  Failure,
  OutsideLink,
  PageTitle,
  Said,
  Time,
  useRead,
  Waiting,
} from "../parts.tsx";
import { Link, useRoute } from "../router.tsx";
import { InstallSheet } from "./install-sheet.tsx";
import { Reach, Warnings } from "./pack-words.tsx";

/** How many of the newest versions are listed. */
const MAX_LISTED = 30;

type Named = { publisher: string; pack: string; version: string | undefined };

/** One version of a pack: what it may read, who signed it, and where it is installed. */
export function VersionPage({ publisher, pack, version }: Named) {
  const path = `/registry/packs/${part(publisher)}/${part(pack)}`;
  const known = useRead(() => ask<PackVersions>("GET", path), [path]);
  if (known.value !== null && known.refusal === null) {
    const { latest, versions } = known.value;
    const shown = version ?? latest ?? versions[0]?.version;
    if (shown !== undefined) return <Version known={known.value} version={shown} key={shown} />;
  }
  return (
    <>
      <PageTitle title={`${publisher}/${pack}`} />
      {known.refusal !== null ? (
        <Failure refusal={known.refusal} again={known.again} />
      ) : known.value === null ? (
        <Waiting rows={8} />
      ) : (
        <Empty title="This pack has no version." />
      )}
      <p>
        <Link to={["packs"]}>All packs</Link>
      </p>
    </>
  );
}

function Version({ known, version }: { known: PackVersions; version: string }) {
  const { name } = known;
  const { query } = useRoute();
  const on = query.get("on") ?? "";
  const mayInstall = useRight("agents.manage");
  const [isInstalling, setInstalling] = useState(on !== "");
  const path = `/registry/packs/${name.split("/").map(part).join("/")}/${part(version)}`;
  const { value, refusal, again } = useRead(() => ask<RegistryVersion>("GET", path), [path]);
  return (
    <>
      <PageTitle title={name}>
        <p class="lead">
          <Said text={version} />{" "}
          {version === known.latest ? <Badge level="none">newest</Badge> : null}
        </p>
        {mayInstall && value !== null && !isInstalling ? (
          <button type="button" onClick={() => setInstalling(true)}>
            Install
          </button>
        ) : null}
      </PageTitle>
      {refusal === null ? null : <Failure refusal={refusal} again={again} />}
      {value === null || refusal !== null ? null : (
        <>
          <p>
            <Said text={value.said.description} />
          </p>
          <Reach reach={value.said.reach} />
          <Warnings version={value} />
        </>
      )}
      {mayInstall && isInstalling ? <InstallSheet name={name} version={version} on={on} /> : null}
      {value === null ? refusal === null ? <Waiting rows={8} /> : null : null}
      <div class="columns">
        <div>
          {value === null || refusal !== null ? null : (
            <>
              <Permissions version={value} />
              <Questions name={name} probes={value.said.probes} />
            </>
          )}
        </div>
        <div>
          {value === null || refusal !== null ? null : <Proof version={value} />}
          <OnHosts name={name} />
          <Versions known={known} shown={version} />
        </div>
      </div>
    </>
  );
}

function Permissions({ version }: { version: RegistryVersion }) {
  const { permissions, reach, changes } = version.said;
  return (
    <section class="sheet" aria-labelledby="may-read">
      <h2 id="may-read">What it may read</h2>
      <p class="note">
        This is all of it, and of this only what somebody allowed on the host. An agent derives it
        again from the pack.
      </p>
      {reach.groups.map(({ name, isRoot }) => (
        <p key={name}>
          <Badge level={isRoot ? "bad" : "warn"}>group</Badge> Its reader joins{" "}
          <Said code text={name} />
          {isRoot ? ". Whoever is in this group can become root." : "."}
        </p>
      ))}
      <ul class="reads" aria-label="Reads">
        {permissions.reads.map(({ words, exact, capability }) => (
          <li key={exact}>
            <Said text={words} />{" "}
            {capability === "observe" ? null : <Badge level="bad">{capability}</Badge>}
            <code class="exact">
              <Said text={exact} />
            </code>
          </li>
        ))}
      </ul>
      {permissions.reads.length === 0 ? <p>It reads nothing.</p> : null}
      {changes === null ? null : <Changes changes={changes} wider={version.wider} />}
    </section>
  );
}

/** What it asks for beside the version before it. */
function Changes(props: {
  changes: NonNullable<RegistryVersion["said"]["changes"]>;
  wider: readonly string[];
}) {
  const { changes, wider } = props;
  const listed = (requires: object): string[] =>
    Object.values(requires).flatMap((names) => names as string[]);
  const lines: [string, string][] = [
    ...listed(changes.added).map((text): [string, string] => ["New", text]),
    ...wider.map((text): [string, string] => ["More of", text]),
    ...changes.raised.map(({ probe, from, to }): [string, string] => [
      "Higher level",
      `${probe}: ${from}, now ${to}`,
    ]),
    ...changes.changed.map((text): [string, string] => ["Other reads", text]),
    ...listed(changes.removed).map((text): [string, string] => ["Gone", text]),
  ];
  return (
    <>
      <h3>
        Beside <Said text={changes.from} />
      </h3>
      {lines.length === 0 ? (
        <p class="note">It asks for nothing new, and for nothing less.</p>
      ) : null}
      <ul class="reads">
        {lines.map(([what, text]) => (
          <li key={`${what} ${text}`}>
            {what}
            <code class="exact">
              <Said text={text} />
            </code>
          </li>
        ))}
      </ul>
    </>
  );
}

function Questions(props: { name: string; probes: RegistryVersion["said"]["probes"] }) {
  const { name, probes } = props;
  const isActive = useLive(
    ({ agents }) =>
      agents?.some(({ packs }) =>
        packs.some((pack) => pack.name === name && pack.state === "active"),
      ) ?? false,
  );
  return (
    <section class="sheet" aria-labelledby="questions">
      <h2 id="questions">Questions it answers</h2>
      <ul class="plain-list">
        {probes.map(({ id, description, capability }) => (
          <li key={id}>
            <h3>
              <Said code text={id} />{" "}
              {capability === "observe" ? null : <Badge level="bad">{capability}</Badge>}
            </h3>
            <p>
              <Said text={description} />{" "}
              {isActive ? (
                <Link to={["try", id]}>
                  Try it<span class="unseen"> with {id}</span>
                </Link>
              ) : null}
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What the hub found out itself, beside what it only was told. */
function Proof({ version }: { version: RegistryVersion }) {
  const { said, logged, refusal, verifiedSigner } = version;
  return (
    <section class="sheet" aria-labelledby="proof">
      <h2 id="proof">What this hub knows</h2>
      <Facts
        of={[
          [
            "Signature",
            verifiedSigner === null ? (
              <>
                <Badge level="none">not fetched yet</Badge> Hub and host verify it before anything
                of it runs. By the registry's word: <Said text={said.signedBy} />
              </>
            ) : (
              <>
                <Badge level="good">verified</Badge> <Said text={verifiedSigner} />
              </>
            ),
          ],
          [
            "Trust",
            refusal === null ? (
              <>
                <Badge level="good">trusted</Badge> This hub's policy lists this signer for the
                publisher.
              </>
            ) : (
              <>
                <Badge level="bad">
                  <Said text={refusal.code} />
                </Badge>{" "}
                <Said text={refusal.message} />
              </>
            ),
          ],
          [
            "Log of the registry",
            logged === null ? (
              <>
                <Badge level="bad">not in the log</Badge> This hub installs nothing that the log has
                not got.
              </>
            ) : (
              <>
                <Badge level="good">in the log</Badge>{" "}
                {`Entry ${logged.index} of ${logged.head.size}, the same archive, of `}
                <Time at={logged.at} />. This hub follows every entry.
              </>
            ),
          ],
          ["Archive", <Said code text={said.digest} />],
          ["Source, as its publisher says", <OutsideLink address={said.repository} />],
          ["License", <Said text={said.license} />],
          ["Runs on agents", <Said text={said.agents} />],
          ["Build, as the signature says", <Said text={said.provenance} />],
        ]}
      />
    </section>
  );
}

const SHOWN_HOSTS = 30;

function OnHosts({ name }: { name: string }) {
  const agents = useLive((live) => live.agents);
  const having = (agents ?? []).filter(({ desired }) => desired.some((one) => one.name === name));
  return (
    <section class="sheet" aria-labelledby="on-hosts">
      <h2 id="on-hosts">On hosts</h2>
      {having.length === 0 ? <p class="note">On none.</p> : null}
      <ul class="plain-list">
        {having.slice(0, SHOWN_HOSTS).map((agent) => {
          const wanted = agent.desired.find((one) => one.name === name)?.version ?? "";
          const report = agent.packs.find((one) => one.name === name && one.version === wanted);
          return (
            <li key={agent.id}>
              <Link to={["hosts", agent.name]}>
                <Said text={agent.name} />
              </Link>{" "}
              <span class="note">{wanted}</span>{" "}
              <Badge level={report?.state === "active" ? "good" : "none"}>
                <Said text={report?.state ?? "ordered"} />
              </Badge>
            </li>
          );
        })}
      </ul>
      {having.length > SHOWN_HOSTS ? (
        <p class="note">{`${countOf(having.length, "host")} in all.`}</p>
      ) : null}
    </section>
  );
}

function Versions({ known, shown }: { known: PackVersions; shown: string }) {
  const { name, latest, versions } = known;
  return (
    <section class="sheet" aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      <ul class="plain-list">
        {versions.slice(0, MAX_LISTED).map(({ version, publishedAt, state }) => (
          <li key={version}>
            <Link to={["packs", ...name.split("/"), version]} isCurrent={version === shown}>
              <Said text={version} />
            </Link>{" "}
            {version === latest ? <Badge level="none">newest</Badge> : null}
            {state.yanked === null ? null : <Badge level="warn">yanked</Badge>}
            {state.quarantined === null ? null : <Badge level="bad">quarantined</Badge>}{" "}
            <span class="note">
              <Time at={publishedAt} />
            </span>
          </li>
        ))}
      </ul>
      {versions.length > MAX_LISTED ? (
        <p class="note">{`${versions.length - MAX_LISTED} older ones are not listed.`}</p>
      ) : null}
    </section>
  );
}
