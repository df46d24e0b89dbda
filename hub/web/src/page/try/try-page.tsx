import type { CalledTool, ToolSummary } from "@sonde/schemas/hub";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, askAll, part } from "../api.ts";
import { chooseHosts, type Choosable, HostsField } from "../hosts-field.tsx";
import { useLive } from "../live.ts";
import { Badge, Empty, Failure, PageTitle, Said, useAct, useRead, Waiting } from "../parts.tsx";
import { Link, setQuery, useRoute } from "../router.tsx";
import { AnswerSheet } from "./answer-sheet.tsx";
import { FieldInput } from "./field-input.tsx";
import { listFields, readFields } from "./read-fields.ts";

/** The tools that the person may call, and one of them to try. */
export function TryPage({ tool }: { tool: string | undefined }) {
  const { query } = useRoute();
  const version = useLive((live) => live.versions.tools);
  // A pack that a host begins or ends to serve changes what there is to ask.
  const active = useLive(({ agents }) =>
    (agents ?? []).reduce(
      (count, { packs }) => count + packs.filter(({ state }) => state === "active").length,
      0,
    ),
  );
  const tools = useRead(() => askAll<ToolSummary>("/tools", "tools"), [version, active]);
  const agent = query.get("agent") ?? "";
  // By the name of the tool, or by that of the question as packs have it.
  const shown = tools.value?.find(({ name, probe }) => name === tool || probe === tool);
  if (tool !== undefined && shown !== undefined) {
    return <TryTool tool={shown} agent={agent} key={shown.name} />;
  }
  return (
    <>
      <PageTitle title={tool ?? "Try it"}>
        {tool === undefined ? <p class="lead">What an AI could ask, asked by you.</p> : null}
      </PageTitle>
      {tools.refusal !== null ? (
        <Failure refusal={tools.refusal} again={tools.again} />
      ) : tools.value === null ? (
        <Waiting rows={8} />
      ) : tool !== undefined ? (
        <Empty title="You may ask nothing of this name, or no host answers it.">
          <p>
            <Link to={["try"]}>All questions</Link>
          </p>
        </Empty>
      ) : (
        <ToolList tools={tools.value} words={query.get("q") ?? ""} agent={agent} />
      )}
    </>
  );
}

function ToolList(props: { tools: readonly ToolSummary[]; words: string; agent: string }) {
  const { tools, words, agent } = props;
  const wanted = words.toLowerCase().split(/\s+/);
  const found = tools.filter(
    (tool) =>
      wanted.every((word) =>
        `${tool.name} ${tool.probe ?? ""} ${tool.description}`.toLowerCase().includes(word),
      ) &&
      (agent === "" || tool.probe === null || tool.agents.includes(agent)),
  );
  const groups = Map.groupBy(found, ({ probe }) => probe?.split(".")[0] ?? "");
  return (
    <>
      <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="unseen" for="search">
          Filter by words
        </label>
        <input
          id="search"
          type="search"
          placeholder="Words, such as disk or memory"
          value={words}
          maxLength={200}
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setQuery(["try"], { q: currentTarget.value, agent })}
        />
      </form>
      {agent === "" ? null : (
        <p>
          Only what <Said text={agent} /> answers. <Link to={["try"]}>Show all</Link>
        </p>
      )}
      <p class="unseen" role="status">{`${found.length} questions shown`}</p>
      {found.length === 0 ? <Empty title="No question fits." /> : null}
      {[...groups].map(([pack, members]) => (
        <section class="sheet" key={pack} aria-label={pack === "" ? "The hub itself" : pack}>
          <h2>{pack === "" ? "The hub itself" : <Said text={pack} />}</h2>
          <ul class="plain-list">
            {members.map(({ name, description, capability }) => (
              <li key={name}>
                <Link to={["try", name]} query={{ agent }}>
                  <Said text={name} />
                </Link>{" "}
                {capability === null || capability === "observe" ? null : (
                  <Badge level="bad">{capability}</Badge>
                )}
                <p class="note">
                  <Said text={description} />
                </p>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

/** What a request says, so that an answer can be told from what the form says now. */
type Request = { agent?: string[]; arguments: Record<string, unknown> };
type Told = { of: string; called: CalledTool };

function TryTool({ tool, agent }: { tool: ToolSummary; agent: string }) {
  const known = useLive((live) => live.agents);
  const isOfPack = tool.probe !== null;
  const agents: readonly Choosable[] = (known ?? []).filter(
    ({ name }) => !isOfPack || tool.agents.includes(name),
  );
  const [hosts, setHosts] = useState(agent);
  const [texts, setTexts] = useState<ReadonlyMap<string, string>>(new Map());
  const [problems, setProblems] = useState<ReadonlyMap<string, string>>(new Map());
  const [answer, setAnswer] = useState<Told | null>(null);
  const [reads, setReads] = useState<Told | null>(null);
  const calling = useAct();
  const explaining = useAct();
  const form = useRef<HTMLFormElement>(null);
  const fields = listFields(tool);
  // The only host that answers it need not be named.
  const [only, ...others] = tool.agents;
  useEffect(() => {
    if (agent === "" && only !== undefined && others.length === 0) setHosts(only);
  }, [only]);
  useEffect(() => {
    if (problems.size === 0) return;
    form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [problems]);

  const read = (): Request | null => {
    const { values, problems: found } = readFields(fields, texts);
    const { names, unknown } = chooseHosts(hosts, agents);
    if (unknown.length > 0)
      found.set("", `No host that answers this is called ${unknown.join(", ")}.`);
    else if (names.length === 0 && isOfPack) found.set("", "Name at least one host.");
    setProblems(found);
    if (found.size > 0) return null;
    return { ...(names.length > 0 && { agent: names }), arguments: values };
  };
  const send = async (request: Request, explain: boolean): Promise<Told> => {
    const body = { ...request, ...(explain && { explain }) };
    const called = await ask<CalledTool>("POST", `/tools/${part(tool.name)}/call`, body);
    return { of: JSON.stringify(request), called };
  };
  const call = (): void => {
    const request = read();
    if (request === null) return;
    calling.run(async () => setAnswer(await send(request, false)));
  };
  const explain = (): void => {
    const request = read();
    if (request === null) return;
    explaining.run(async () => setReads(await send(request, true)));
  };
  return (
    <>
      <PageTitle title={tool.name}>
        <p class="lead">
          <Said text={tool.description} />
        </p>
        <p class="acts">
          <Link to={["try"]} query={{ agent }} class="button plain">
            All questions
          </Link>
        </p>
      </PageTitle>
      <div class="columns">
        <section class="sheet" aria-labelledby="question">
          <h2 id="question">Question</h2>
          <form
            ref={form}
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              call();
            }}
          >
            <HostsField
              text={hosts}
              agents={agents}
              set={(text) => {
                setHosts(text);
                setReads(null);
              }}
              problem={problems.get("")}
              isOptional={!isOfPack}
            />
            {fields.map((field) => (
              <FieldInput
                key={field.name}
                field={field}
                text={texts.get(field.name) ?? ""}
                problem={problems.get(field.name)}
                set={(text) => {
                  setTexts((before) => new Map(before).set(field.name, text));
                  // It said what other values would read.
                  setReads(null);
                }}
              />
            ))}
            {calling.refusal === null ? null : <Failure refusal={calling.refusal} />}
            <p class="acts">
              <button type="submit" disabled={calling.isRunning}>
                {calling.isRunning ? "Asking" : "Ask"}
              </button>
              {isOfPack ? (
                <button
                  type="button"
                  class="plain"
                  disabled={explaining.isRunning}
                  onClick={explain}
                >
                  What would it read?
                </button>
              ) : null}
            </p>
          </form>
        </section>
        <section class="sheet" aria-labelledby="would-read">
          <h2 id="would-read">What it would read</h2>
          {explaining.refusal === null ? null : <Failure refusal={explaining.refusal} />}
          {isOfPack ? (
            <Explained told={reads} />
          ) : (
            <p class="note">
              The hub answers this itself. What it asks hosts for is a call of its own, in Activity.
            </p>
          )}
        </section>
      </div>
      {answer === null ? null : <AnswerSheet called={answer.called} key={answer.of} />}
    </>
  );
}

/** The exact reads on each host, by the hub's own reckoning from the pack that it verified. */
function Explained({ told }: { told: Told | null }) {
  if (told === null) {
    return (
      <p class="note">The hub can say exactly what a question would read, and read nothing.</p>
    );
  }
  return (
    <div role="status">
      {told.called.results.map(({ agent, data, failure }, place) => {
        const reads = data?.["reads"];
        return (
          <div key={place}>
            <h3>
              <Said text={agent} />
            </h3>
            {failure === undefined ? null : (
              <p>
                <Badge level="bad">
                  <Said text={failure.code} />
                </Badge>{" "}
                <Said text={failure.message} /> <span class="note">{failure.hint}</span>
              </p>
            )}
            <ul class="reads">
              {(Array.isArray(reads) ? reads : []).map((read) => (
                <li key={String(read)}>
                  <code class="exact">
                    <Said text={String(read)} />
                  </code>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </div>
  );
}
