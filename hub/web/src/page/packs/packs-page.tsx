import type { PackList, PackSummary } from "@sonde/schemas/registry";
import { useState } from "preact/hooks";
import { ask } from "../api.ts";
import { useLive } from "../live.ts";
import { countOf, Empty, Failure, PageTitle, Said, useAct, useRead, Waiting } from "../parts.tsx";
import { Link, setQuery, useRoute } from "../router.tsx";
import { SearchField } from "../search-field.tsx";
import { Marks, Reach } from "./pack-words.tsx";

const SHOWN = "30";

/** The packs of the hub's registry. */
export function PacksPage() {
  const { query } = useRoute();
  const words = query.get("q") ?? "";
  return (
    <>
      <PageTitle title="Packs">
        <p class="lead">What the registry of this hub has, by the registry's own word.</p>
      </PageTitle>
      <Search words={words} />
      <Found words={words} key={words} />
    </>
  );
}

function Search({ words }: { words: string }) {
  return (
    <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <SearchField
        label="Words of a pack"
        placeholder="Words, such as disk or postgres"
        text={words}
        search={(q) => setQuery(["packs"], { q })}
      />
    </form>
  );
}

const readPage = (words: string, cursor: string | null): Promise<PackList> => {
  const asked = { limit: SHOWN, ...(words !== "" && { q: words }), ...(cursor && { cursor }) };
  return ask<PackList>("GET", `/registry/packs?${new URLSearchParams(asked).toString()}`);
};

function Found({ words }: { words: string }) {
  const first = useRead(() => readPage(words, null), [words]);
  const [more, setMore] = useState<PackList | null>(null);
  const { run, isRunning, refusal } = useAct();
  // A registry that does not answer has said nothing, and not that it has none.
  if (first.refusal !== null) return <Failure refusal={first.refusal} again={first.again} />;
  if (first.value === null) return <Waiting rows={8} />;
  const packs = [...first.value.packs, ...(more?.packs ?? [])];
  const { cursor } = more ?? first.value;
  const readMore = async () => {
    const page = await readPage(words, cursor);
    setMore({ packs: [...(more?.packs ?? []), ...page.packs], cursor: page.cursor });
  };
  if (packs.length === 0) {
    return (
      <Empty title={words === "" ? "The registry has no pack yet." : "No pack fits these words."}>
        {words === "" ? null : (
          <p>
            <Link to={["packs"]}>Show all packs</Link>
          </p>
        )}
      </Empty>
    );
  }
  return (
    <>
      <p class="unseen" role="status">
        {countOf(packs.length, "pack")} shown
      </p>
      <ul class="plain-list sheet" aria-label="Packs">
        {packs.map((pack) => (
          <PackItem key={pack.name} pack={pack} />
        ))}
      </ul>
      {refusal === null ? null : <Failure refusal={refusal} />}
      {cursor === null ? null : (
        <p class="pager">
          <button type="button" class="plain" disabled={isRunning} onClick={() => run(readMore)}>
            More packs
          </button>
        </p>
      )}
    </>
  );
}

function PackItem({ pack }: { pack: PackSummary }) {
  const { name, latest, description, downloads, reach, deprecated, advisories } = pack;
  const hosts = useLive(({ agents }) =>
    (agents ?? []).reduce(
      (count, { desired }) => count + Number(desired.some((one) => one.name === name)),
      0,
    ),
  );
  return (
    <li>
      <h2>
        <Link to={["packs", ...name.split("/")]}>
          <Said text={name} />
        </Link>{" "}
        <span class="note">
          <Said text={latest ?? "no version to install"} />
        </span>{" "}
        <Marks
          isWithdrawn={latest === null}
          isDeprecated={deprecated !== null}
          severities={advisories.map(({ severity }) => severity)}
        />
      </h2>
      <p>
        <Said text={description} />
      </p>
      <Reach reach={reach} />
      <p class="note">
        {hosts === 0 ? "On no host" : `On ${countOf(hosts, "host")}`}
        {`, ${countOf(downloads, "download")}`}
      </p>
    </li>
  );
}
