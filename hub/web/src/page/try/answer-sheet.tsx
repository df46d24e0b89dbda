import type { CalledTool } from "@sonde/schemas/hub";
import { toPlainLine } from "@sonde/schemas/plain-text";
import { writeCount } from "@sonde/service/quantities";
import { useState } from "preact/hooks";
import { useRight } from "../live.ts";
import { Badge, Clock, Said } from "../parts.tsx";
import { Link } from "../router.tsx";
import { DataView } from "./data-view.tsx";

const VIEWS = [
  ["table", "Table"],
  ["json", "JSON"],
  ["text", "As the AI sees it"],
] as const;
type View = (typeof VIEWS)[number][0];

/** Text of a language has about so many characters in a token of the models that people use. */
const CHARACTERS_PER_TOKEN = 4;

/** What a tool answered: for people, for programs, and as a model gets it. */
export function AnswerSheet({ called }: { called: CalledTool }) {
  const [view, setView] = useState<View>("table");
  const { results, text } = called;
  const tokens = Math.ceil(text.length / CHARACTERS_PER_TOKEN);
  return (
    <section class="sheet" aria-labelledby="answer">
      <h2 id="answer">Answer</h2>
      <p role="status" class="note">
        {`About ${writeCount(tokens)} tokens for an AI: ${writeCount(text.length)} characters, counted as ${CHARACTERS_PER_TOKEN} in a token. Each model counts a little otherwise.`}
      </p>
      <fieldset class="choices">
        <legend class="unseen">How the answer is shown</legend>
        {VIEWS.map(([name, label]) => (
          <label key={name}>
            <input
              type="radio"
              name="view"
              checked={view === name}
              onChange={() => setView(name)}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      {view === "table" ? <Results called={called} /> : null}
      {view === "json" ? (
        <Exact label="The answer as JSON" text={JSON.stringify(results, null, 2)} />
      ) : null}
      {view === "text" ? (
        <>
          <Exact label="The text that an AI gets" text={text} />
          {called.textCursor === undefined ? null : (
            <p class="note">
              This is its first page. An AI reads the next one by itself, with read_result.
            </p>
          )}
        </>
      ) : null}
    </section>
  );
}

/** A text line by line, with invisible characters as escapes. */
function Exact({ label, text }: { label: string; text: string }) {
  const lines = text.split("\n").map(toPlainLine);
  return (
    <pre class="detail" tabIndex={0} aria-label={label}>
      {lines.join("\n")}
    </pre>
  );
}

function Results({ called }: { called: CalledTool }) {
  const { results, callIds } = called;
  if (results.length === 0) return <p class="note">Nobody answered.</p>;
  return (
    <>
      {results.map((result, place) => (
        <Result key={place} result={result} callId={callIds[place]} />
      ))}
    </>
  );
}

function Result(props: { result: CalledTool["results"][number]; callId: string | undefined }) {
  const { result, callId } = props;
  const { agent, failure, data, collectedAt, truncated, redactions } = result;
  const mayReadLog = useRight("audit.read");
  return (
    <section class="result" aria-label={agent === "" ? "The hub" : agent}>
      <h3>
        <Said text={agent === "" ? "The hub" : agent} />{" "}
        <span class="note">
          {collectedAt === null ? null : (
            <>
              read <Clock at={collectedAt} />{" "}
            </>
          )}
          {callId !== undefined && mayReadLog ? (
            <Link to={["activity", "calls", callId]}>
              This call in full<span class="unseen"> on {agent}</span>
            </Link>
          ) : null}
        </span>
      </h3>
      {failure === undefined ? null : (
        <div class="failure" role="alert">
          <p>
            <Badge level="bad">
              <Said text={failure.code} />
            </Badge>{" "}
            <Said text={failure.message} />
          </p>
          <p class="note">
            <Said text={failure.hint} />
            {failure.retryable ? " The same question may succeed later." : null}
          </p>
        </div>
      )}
      {truncated === true ? (
        <p class="note">What it reads was longer than it may read: this is incomplete.</p>
      ) : null}
      {redactions.count > 0 ? (
        <p class="note">{`${writeCount(redactions.count)} secrets were taken out.`}</p>
      ) : null}
      {data === undefined ? null : <DataView data={data} />}
    </section>
  );
}
