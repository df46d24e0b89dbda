import { SondeError } from "@sonde/schemas/errors";
import { type InvitationList, PersonRole, type PersonSummary } from "@sonde/schemas/people";
import type { Command } from "commander";
import { confirm } from "../agent/agent-commands.ts";
import type { Print } from "../data-command.ts";
import type { HubClient } from "../hub-client.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { keepSecret } from "./keep-secret.ts";

const ROLES = PersonRole.enum;

type InviteOptions = HubOptions & { role: string; linkFile?: string };
type RemoveOptions = HubOptions & { yes?: true };

/**
 * `sonde users [list | invite | cancel | role | disable | enable | remove | sessions | sign-out]`: the
 * people who have an account on this hub.
 */
export function addUsersCommands(program: Command, print: Print): void {
  const users = program.command("users").description("the people who have an account on the hub");
  startHubCommand(users, "list", "everybody, and the links that nobody used yet", {
    isDefault: true,
  }).action(async (options: HubOptions) => {
    const { client } = connectHub(options);
    const people = await client.listPeople();
    const { invitations } = await client.listInvitations();
    print(
      options.json ? JSON.stringify({ people, invitations }) : describeUsers(people, invitations),
    );
  });

  startHubCommand(users, "invite", "make a one-time link by which one person makes an account")
    .option("--role <role>", `what the person may do: ${ROLES.join(", ")}`, "member")
    .option("--link-file <file>", "write the link into this new file (0600), and do not show it")
    .action(async ({ role, linkFile, ...options }: InviteOptions) => {
      const known = parseRole(role);
      const { client } = connectHub(options);
      const made = await keepSecret(
        linkFile,
        () => client.createInvitation(known),
        ({ link }) => link,
      );
      const { link, ...rest } = made;
      if (options.json) {
        return print(JSON.stringify(linkFile === undefined ? made : { ...rest, linkFile }));
      }
      print(
        [
          linkFile === undefined
            ? `The link for one ${known}, shown only once: ${link}`
            : `The link for one ${known} is in ${linkFile}.`,
          `It works once, until ${made.expiresAt}. To end it before: sonde users cancel ${made.id}`,
        ].join("\n"),
      );
    });

  startHubCommand(users, "cancel <id>", "end a link that nobody used yet").action(
    async (id: string, options: HubOptions) => {
      requireId(id);
      const left = await connectHub(options).client.removeInvitation(id);
      print(
        options.json ? JSON.stringify({ cancelled: id, ...left }) : `The link ${id} has ended.`,
      );
    },
  );

  startHubCommand(
    users,
    "role <name> <role>",
    `change what a person may do: ${ROLES.join(", ")}`,
  ).action(async (name: string, role: string, options: HubOptions) => {
    const known = parseRole(role);
    const { client } = connectHub(options);
    const { id } = await findPerson(client, name);
    const person = await client.changePerson(id, { role: known });
    print(options.json ? JSON.stringify(person) : `${name} is ${person.role} now.`);
  });

  for (const [word, disabled, about] of [
    [
      "disable",
      true,
      "let a person sign in no more; sessions, OAuth grants and keys they made end",
    ],
    ["enable", false, "let a person sign in again"],
  ] as const) {
    startHubCommand(users, `${word} <name>`, about).action(
      async (name: string, options: HubOptions) => {
        const { client } = connectHub(options);
        const { id } = await findPerson(client, name);
        const person = await client.changePerson(id, { disabled });
        const said = disabled
          ? `${name} cannot sign in any more. To let them again: sonde users enable ${name}`
          : `${name} can sign in again.`;
        print(options.json ? JSON.stringify(person) : said);
      },
    );
  }

  startHubCommand(users, "remove <name>", "delete an account, with all that the person let in")
    .option("--yes", "do not ask")
    .action(async (name: string, { yes, ...options }: RemoveOptions) => {
      const { client } = connectHub(options);
      const { id } = await findPerson(client, name);
      if (yes !== true && !(await confirm(`Delete the account of ${name}?`))) {
        throw new SondeError(
          "FORBIDDEN",
          `not deleted, nothing was changed; without a terminal: sonde users remove ${name} --yes`,
        );
      }
      const people = await client.removePerson(id);
      print(
        options.json
          ? JSON.stringify({ removed: id, people })
          : `The account of ${name} is deleted.`,
      );
    });

  startHubCommand(users, "sessions <name>", "where a person is signed in").action(
    async (name: string, options: HubOptions) => {
      const { client } = connectHub(options);
      const { id } = await findPerson(client, name);
      const sessions = await client.listSessions(id);
      if (options.json) return print(JSON.stringify({ sessions }));
      if (sessions.length === 0) return print(`${name} is signed in nowhere.`);
      print(
        formatTable(
          ["SIGNED IN", "BY", "FROM", "LAST SEEN", "BROWSER"],
          sessions.map(({ createdAt, methods, address, seenAt, browser }) => [
            ...[createdAt, methods.join("+"), address, seenAt, browser],
          ]),
        ),
      );
    },
  );

  startHubCommand(users, "sign-out <name>", "end all sessions of a person").action(
    async (name: string, options: HubOptions) => {
      const { client } = connectHub(options);
      const { id } = await findPerson(client, name);
      const open = await client.listSessions(id);
      await client.endSessions(id);
      const said = `${name} is signed out everywhere; ${open.length} sessions ended. They can sign in again; to prevent that: sonde users disable ${name}`;
      print(options.json ? JSON.stringify({ ended: open.map((session) => session.id) }) : said);
    },
  );
}

/** @throws SondeError NOT_FOUND naming those that there are */
async function findPerson(client: HubClient, name: string): Promise<PersonSummary> {
  const people = await client.listPeople();
  const found = people.find((person) => person.name === name || person.id === name);
  if (found !== undefined) return found;
  const known = people.slice(0, 20).map((person) => person.name);
  const more = people.length > known.length ? ` and ${people.length - known.length} more` : "";
  throw new SondeError(
    "NOT_FOUND",
    `expected a person (${known.join(", ") || "there is none"}${more}), got ${JSON.stringify(name.slice(0, 100))}`,
  );
}

/** @throws SondeError BAD_REQUEST */
function parseRole(text: string): PersonRole {
  const role = ROLES.find((known) => known === text);
  if (role !== undefined) return role;
  const got = JSON.stringify(text.slice(0, 40));
  throw new SondeError("BAD_REQUEST", `expected a role (${ROLES.join(", ")}), got ${got}`);
}

/** @throws SondeError BAD_REQUEST */
function requireId(id: string): void {
  if (/^[0-9a-f-]{36}$/.test(id)) return;
  const got = JSON.stringify(id.slice(0, 40));
  throw new SondeError("BAD_REQUEST", `expected the id of a link in sonde users, got ${got}`);
}

function describeUsers(
  people: readonly PersonSummary[],
  invitations: InvitationList["invitations"],
): string {
  const table =
    people.length === 0
      ? "Nobody has an account. For a link: sonde users invite --role owner"
      : formatTable(
          ["NAME", "ROLE", "STATE", "SIGNS IN BY", "LAST SIGN-IN"],
          people.map((person) => [
            ...[person.name, person.role, person.disabled ? "disabled" : "may sign in"],
            ...[waysOf(person), person.signedInAt ?? "never"],
          ]),
        );
  return [
    table,
    ...invitations.map(
      ({ id, role, expiresAt }) => `A link for one ${role} waits until ${expiresAt}: ${id}`,
    ),
  ].join("\n");
}

function waysOf({ passkeys, hasPassword, issuer }: PersonSummary): string {
  const ways = [
    ...(passkeys > 0 ? [`${passkeys} ${passkeys === 1 ? "passkey" : "passkeys"}`] : []),
    ...(hasPassword ? ["password"] : []),
    ...(issuer === null ? [] : [issuer]),
  ];
  return ways.join(", ") || "nothing yet";
}
