import { useRef, useState } from "preact/hooks";
import { useRight } from "../live.ts";
import { Clock, Empty, Failure, PageTitle, Waiting } from "../parts.tsx";
import { setQuery, useRoute } from "../router.tsx";
import { useNames } from "../subjects.ts";
import { LineTable } from "./activity-table.tsx";
import { chooseLines, type Line } from "./build-activity.ts";
import { FilterForm } from "./filter-form.tsx";
import { type Asked, readAsked, readShow, type Show, toSearch } from "./filters.ts";
import { MAX_ENTRIES, type Search } from "./use-found.ts";
import { useLines } from "./use-lines.ts";

/** What is asked and done, live: from the audit log. The address has the filters. */
export function ActivityPage() {
  const mayRead = useRight("audit.read");
  return (
    <>
      <PageTitle title="Activity">
        <p class="lead">Calls and acts, from the audit log, as they happen</p>
      </PageTitle>
      {mayRead ? <Activity /> : <Empty title="Your role does not read the audit log." />}
    </>
  );
}

function Activity() {
  const { query } = useRoute();
  const [isPaused, setPaused] = useState(false);
  const asked = readAsked(query);
  const show = readShow(query);
  // From the address, since one change may come before the page shows the last one.
  const put = (part: Asked, kind?: Show) => {
    const now = new URLSearchParams(location.search);
    const next = kind ?? readShow(now);
    setPaused(false);
    setQuery(["activity"], { ...readAsked(now), ...part, show: next === "calls" ? "" : next });
  };
  const change = (part: Asked) => put(part);
  const search = toSearch(asked, show);
  return (
    <>
      <FilterForm
        {...{ asked, change, show, isPaused }}
        choose={(kind) => put({}, kind)}
        pause={() => setPaused(!isPaused)}
      />
      <p class="unseen" role="status">
        {isPaused ? "Paused" : ""}
      </p>
      <Results
        key={new URLSearchParams({ ...search, show }).toString()}
        {...{ search, show, isPaused, change }}
      />
    </>
  );
}

function Results(props: {
  search: Asked;
  show: Show;
  isPaused: boolean;
  change: (asked: Asked) => void;
}) {
  const { search, show, isPaused, change } = props;
  const found = useLines(search, show);
  const held = useRef<readonly Line[] | null>(null);
  const nameOf = useNames();
  held.current = isPaused ? (held.current ?? found.lines) : null;
  if (found.refusal !== null) return <Failure refusal={found.refusal} again={found.again} />;
  if (!found.isRead) return <Waiting rows={10} />;
  const lines = chooseLines(held.current ?? found.lines, show);
  return (
    <>
      {lines.length === 0 ? (
        <Empty title={found.searchedTo === null ? "Nothing fits." : "Nothing fits so far."}>
          <p>What happens from now on appears here by itself.</p>
        </Empty>
      ) : (
        <LineTable lines={lines} nameOf={nameOf} choose={change} />
      )}
      <Rest found={found} />
    </>
  );
}

/** How far the log was searched, what of it is gone, and a button for what is older. */
function Rest({ found }: { found: Search }) {
  const { searchedTo, dropped, isCut, older, isLooking, olderRefusal } = found;
  return (
    <>
      {dropped === null ? null : (
        <p class="note">
          {`What was recorded up to entry ${dropped.to.toLocaleString("en-US")}, until `}
          <Clock at={dropped.until} />
          {", is not shown: its content was dropped, as this hub's retention says."}
        </p>
      )}
      {olderRefusal === null ? null : <Failure refusal={olderRefusal} />}
      <div class="pager">
        <p class="note" role="status">
          {searchedTo === null
            ? "The whole log was searched."
            : `Searched back to entry ${searchedTo.toLocaleString("en-US")}.`}
          {isCut
            ? ` The page holds ${MAX_ENTRIES.toLocaleString("en-US")} entries: narrow the filters to see older ones.`
            : ""}
        </p>
        {older === null ? null : (
          <button type="button" class="plain" disabled={isLooking} onClick={older}>
            {isLooking ? "Searching" : "Older"}
          </button>
        )}
      </div>
    </>
  );
}
