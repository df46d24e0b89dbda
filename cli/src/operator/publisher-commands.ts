import { parseJson } from "@sonde/schemas/parse";
import { type PublishToken } from "@sonde/schemas/registry";
import { parseTrustedIdentity, type TrustedIdentity } from "@sonde/schemas/trust";
import type { Command } from "commander";
import type { Print } from "../data-command.ts";
import {
  addIdentity,
  addPublisher,
  listPublishers,
  listTokens,
  removeIdentity,
  removeKey,
  revokeToken,
  trustPublisher,
} from "../registry-operator-client.ts";
import { keepSecret } from "./keep-secret.ts";
import { readIdentity, type SignerOptions } from "./read-identity.ts";
import { readPublicKey } from "./read-public-key.ts";
import { type Options, socketOf, startOrder } from "./start-command.ts";

type AddOptions = Options & SignerOptions & { tokenFile?: string; reserved?: true };
type TrustOptions = Options & { issuer: string; identity: string; pack?: string };

/** `sonde registry publisher ...`: who may publish, and what proves it. */
export function addPublisherCommands(registry: Command, print: Print): void {
  const publisher = registry.command("publisher").description("the registry's publishers");
  addAdd(publisher, print);
  addTrust(publisher, print);
  startOrder(publisher, "list", "all publishers, with their keys and identities").action(
    async (options: Options) => {
      const publishers = await listPublishers(socketOf(options));
      const lines = publishers.flatMap(({ name, keyIds, identities, liveTokens }) => [
        `${name}  ${liveTokens} live tokens`,
        ...keyIds.map((id) => `  key ${id}`),
        ...identities.map((identity) => `  identity ${describeIdentity(identity)}`),
      ]);
      print(options.json ? JSON.stringify({ publishers }) : lines.join("\n"));
    },
  );
  startOrder(publisher, "tokens <name>", "a publisher's tokens, never the secrets").action(
    async (name: string, options: Options) => {
      const tokens = await listTokens(socketOf(options), name);
      print(options.json ? JSON.stringify({ tokens }) : tokens.map(describeToken).join("\n"));
    },
  );
  startOrder(publisher, "revoke-token <name> <id>", "revoke a token and all it made").action(
    async (name: string, id: string, options: Options) => {
      const token = await revokeToken(socketOf(options), name, id);
      print(options.json ? JSON.stringify(token) : describeToken(token));
    },
  );
  startOrder(
    publisher,
    "revoke-key <name> <key-id>",
    "remove a key: its signatures are refused from now on",
  ).action(async (name: string, keyId: string, options: Options) => {
    await removeKey(socketOf(options), name, keyId);
    print(
      options.json
        ? JSON.stringify({ name, keyId })
        : `Signatures of ${name} by ${keyId} are refused from now on.\n` +
            "Agents use their own trust.json: remove the key there too.",
    );
  });
  addRevokeIdentity(publisher, print);
}

function addRevokeIdentity(publisher: Command, print: Print): void {
  startOrder(
    publisher,
    "revoke-identity <name>",
    "remove a keyless identity: its signatures are refused from now on",
  )
    .requiredOption("--issuer <url>", "the issuer of the identity")
    .requiredOption("--identity <name>", "the exact identity in the certificate")
    .option("--repository-id <number>", "the source repository's number, if it was added with one")
    .action(async (name: string, options: Options & SignerOptions) => {
      const { issuer, identity, repositoryId } = options;
      const removed = parseTrustedIdentity({
        ...{ issuer, identity },
        ...(repositoryId !== undefined && { repositoryId }),
      });
      await removeIdentity(socketOf(options), name, removed);
      print(
        options.json
          ? JSON.stringify({ name, ...removed })
          : `Signatures of ${name} by ${describeIdentity(removed)} are refused from now on.\n` +
              "Agents use their own trust.json: remove the identity there too.",
      );
    });
}

function describeIdentity({ issuer, identity, repositoryId }: TrustedIdentity): string {
  const repository = repositoryId === undefined ? "" : `, repository ${repositoryId}`;
  return `${identity} of ${issuer}${repository}`;
}

/** Adds a publisher by a CI job's identity, so that even the first publish needs no secret. */
function addTrust(publisher: Command, print: Print): void {
  startOrder(publisher, "trust <name>", "let a CI job publish with its identity token")
    .requiredOption("--issuer <url>", "an issuer of the registry's configuration")
    .requiredOption(
      "--identity <json>",
      "the claims that the token must have, exactly; see docs/PROTOCOL.md",
    )
    .option("--pack <publisher/pack>", "only for this pack, which need not exist yet")
    .action(async (name: string, options: TrustOptions) => {
      const { issuer, pack } = options;
      const identity = parseJson(options.identity, "--identity", "BAD_REQUEST");
      const wish = { issuer, identity, ...(pack !== undefined && { pack }) };
      const added = await trustPublisher(socketOf(options), name, wish);
      print(
        options.json
          ? JSON.stringify(added)
          : `${added.id}: jobs of ${issuer} with exactly this identity may publish ${pack ?? `packs of ${name}`}.`,
      );
    });
}

function addAdd(publisher: Command, print: Print): void {
  startOrder(
    publisher,
    "add <name>",
    "let a key or an identity publish under a name, with a new token",
  )
    .option("--key <file>", "the publisher's public key in PEM")
    .option("--issuer <url>", "for keyless signatures: the issuer of the signer's identity")
    .option("--identity <name>", "with --issuer: the exact identity in the certificate")
    .option("--repository-id <number>", "with --issuer: the source repository's number")
    .option("--reserved", "allow a name that is reserved for Sonde or the system")
    .option(
      "--token-file <file>",
      "write the token to a new file (mode 0600) instead of printing it",
    )
    .action(async (name: string, options: AddOptions) => {
      const { tokenFile } = options;
      const { token, ...shown } = await keepSecret(
        tokenFile,
        () => add(socketOf(options), name, options),
        (made) => made.token,
      );
      const kept = tokenFile === undefined ? { token } : { tokenFile };
      const who = "keyId" in shown ? shown.keyId : `${shown.identity} of ${shown.issuer}`;
      print(
        options.json
          ? JSON.stringify({ ...shown, ...kept })
          : `${name} may publish archives signed by ${who}.\n` +
              (tokenFile === undefined
                ? `Its token, shown only once: ${token}`
                : `Its token is in ${tokenFile}.`) +
              `\nThe token expires at ${shown.expiresAt}.`,
      );
    });
}

async function add(socket: string, name: string, options: AddOptions) {
  const identity = readIdentity(options);
  if (identity !== null) {
    return addIdentity(socket, { publisher: name, ...identity }, options.reserved);
  }
  return addPublisher(socket, name, readPublicKey(options.key ?? "").publicKey, options.reserved);
}

function describeToken(token: PublishToken): string {
  const { id, role, pack, actions, label, createdBy, expiresAt, revokedAt } = token;
  const end = revokedAt === null ? `until ${expiresAt}` : `revoked ${revokedAt}`;
  return (
    `${id}  ${role}  ${label}\n  ${actions.join(", ")} for ${pack ?? "every pack"}, ${end}, ` +
    `made by ${createdBy}`
  );
}
