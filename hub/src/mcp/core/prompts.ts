import { AGENT_ARGUMENT } from "@sonde/schemas/names";
import { buildValueChecker } from "@sonde/schemas/parse";
import { AgentSelector } from "@sonde/schemas/tags";

// Prompts are what a person picks in a client. Each says how to look, by the hub's own tools, which
// every key has; `search_tools` finds the others. Text of the person is quoted, never instructions.

/** As `prompts/list` gives it. */
export type PromptDefinition = {
  name: string;
  title: string;
  description: string;
  arguments: { name: string; description: string; required: boolean }[];
};

type Prompt = PromptDefinition & {
  /** @param given the arguments, each checked: servers are as a tool takes them, other text is quoted */
  write: (given: Record<string, string>) => string;
};

const SERVERS = "servers";
const MAX_TEXT = 500;
const MAX_SERVERS = 50;

const CONCLUDE =
  "Then say what is wrong, each point with the tool and the value that show it; what could not be seen, and why; and what a person should do. " +
  "Sonde only looks: do not say that you changed anything.";

const PROMPTS: readonly Prompt[] = [
  {
    name: "investigate_host",
    title: "Find out what is wrong on a server",
    description: "Looks for the cause of a trouble on one server, worst findings first.",
    arguments: [
      { name: SERVERS, description: "the server's name", required: true },
      { name: "symptom", description: "what was noticed, in your words", required: false },
    ],
    write: ({ [SERVERS]: servers, symptom }) =>
      [
        `Find out what is wrong on the server ${AGENT_ARGUMENT}: ${servers}.`,
        ...(symptom === undefined ? [] : [`What a person noticed: ${symptom}.`]),
        "1. `agent_overview` says whether it can be reached, what it is and which packs it has.",
        "2. `health_check` runs the runbooks of all packs. Begin with its worst finding. What is under unseen was not looked at.",
        "3. For each finding that matters ask what its next names. Find further tools with `search_tools`, by words of what you want to know.",
        CONCLUDE,
      ].join("\n"),
  },
  {
    name: "what_changed",
    title: "Say what changed on a server",
    description: "Lists what changed on servers since a time: boots, packages, services, errors.",
    arguments: [
      {
        name: SERVERS,
        description: "a name, names with commas, or a tag such as #role=web",
        required: true,
      },
      { name: "since", description: "a time, or words such as yesterday evening", required: false },
    ],
    write: ({ [SERVERS]: servers, since }) =>
      [
        `Say what changed on ${AGENT_ARGUMENT}: ${servers}, ${since === undefined ? "in the last day" : `since ${since}`}.`,
        "1. `agent_overview` shows drift: what differs from what a person approved.",
        "2. Find with `search_tools` what tells of boots, of changed packages, of restarts of services, of configuration and of errors, and ask each of all these servers in one call.",
        "3. Put what changed in order of time, and say which change could explain which later one.",
        CONCLUDE,
      ].join("\n"),
  },
  {
    name: "compare_hosts",
    title: "Compare servers",
    description: "Says in what servers differ that should be alike.",
    arguments: [
      {
        name: SERVERS,
        description: "names with commas, or a tag such as #role=web",
        required: true,
      },
      { name: "symptom", description: "what one of them does otherwise", required: false },
    ],
    write: ({ [SERVERS]: servers, symptom }) =>
      [
        `Say in what these servers differ: ${AGENT_ARGUMENT}: ${servers}.`,
        ...(symptom === undefined ? [] : [`What a person noticed: ${symptom}.`]),
        "1. `agent_overview` of all of them in one call: release, packs, drift.",
        "2. `health_check` of all of them in one call.",
        "3. Find further tools with `search_tools`, and ask each of all these servers in one call: the answer is one table.",
        "A server that failed did not answer, which is not a difference.",
        CONCLUDE,
      ].join("\n"),
  },
];

export const PROMPT_DEFINITIONS: readonly PromptDefinition[] = PROMPTS.map(
  ({ write: _write, ...definition }) => definition,
);

/**
 * Writes a prompt as the first message of a conversation.
 *
 * @returns for what is no prompt, or no fitting argument, a sentence that says what was expected and
 *   what came
 */
export function writePrompt(
  name: string,
  given: Readonly<Record<string, string>>,
): { text: string } | { problem: string } {
  const prompt = PROMPTS.find((one) => one.name === name);
  if (prompt === undefined) {
    return misfit(`one of ${PROMPTS.map((one) => one.name).join(", ")}`, name);
  }
  const known = prompt.arguments.map((argument) => argument.name);
  const unknown = Object.keys(given).find((argument) => !known.includes(argument));
  if (unknown !== undefined) return misfit(`the arguments ${known.join(", ")}`, unknown);
  const servers = readServers(given[SERVERS] ?? "");
  if (servers === null) {
    const count = `${MAX_SERVERS} names with commas, or a tag such as #role=web`;
    return misfit(`${SERVERS}: at most ${count}`, given[SERVERS] ?? "");
  }
  const others = Object.entries(given).filter(
    ([argument, text]) => argument !== SERVERS && text.trim() !== "",
  );
  const tooLong = others.find(([, text]) => text.length > MAX_TEXT);
  if (tooLong !== undefined) {
    return misfit(`${tooLong[0]}: at most ${MAX_TEXT} characters`, `${tooLong[1].length}`);
  }
  const quoted = others.map(([argument, text]) => [argument, JSON.stringify(text)]);
  return { text: prompt.write({ [SERVERS]: servers, ...Object.fromEntries(quoted) }) };
}

function misfit(expected: string, got: string): { problem: string } {
  return { problem: `expected ${expected}; got ${JSON.stringify(got.slice(0, 100))}` };
}

const check = buildValueChecker(AgentSelector);

/** As a tool takes it: a name or a tag in quotes, or a list of them. */
function readServers(text: string): string | null {
  const words = text.split(",").map((word) => word.trim());
  const fits = words.every((word) => {
    const isTag = word.startsWith("#");
    return isTag === word.includes("=") && check(isTag ? word.slice(1) : word) === null;
  });
  if (!fits || words.length > MAX_SERVERS) return null;
  return JSON.stringify(words.length === 1 ? words[0] : words);
}
