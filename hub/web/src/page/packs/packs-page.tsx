import type { PackList, PackSummary } from "@sonde/schemas/registry";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "../api.ts";
import { useLive } from "../live.ts";
import { countOf, Empty, Failure, PageTitle, Said, useAct, useRead, Waiting } from "../parts.tsx";
import { Link, setQuery, useRoute } from "../router.tsx";
import { Marks, Reach } from "./pack-words.tsx";

const SHOWN = "30";
/** The registry is asked once somebody stops typing. */
const TYPING_MS = 250;

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
  const [text, setText] = useState(words);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  // A link may have led to other words. A blank that was just typed stays.
  useEffect(() => {
    if (text.trim() !== words) setText(words);
  }, [words]);
  const search = (q: string) => {
    clearTimeout(timer.current);
    setQuery(["packs"], { q: q.trim() });
  };
  return (
    <form
      class="filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        search(text);
      }}
    >
      <label class="unseen" for="search">
        Words of a pack
      </label>
      <input
        id="search"
        type="search"
        placeholder="Words, such as disk or postgres"
        value={text}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget: { value } }) => {
          setText(value);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => search(value), TYPING_MS);
        }}
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
