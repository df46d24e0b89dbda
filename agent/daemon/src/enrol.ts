import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { AgentName } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { DEFAULT_KEY_ALGORITHM, KeyAlgorithm } from "@sonde/schemas/wire";
import { algorithmOf, createKeyPair } from "@sonde/trust/envelope";
import { Type } from "typebox";
import { buildCsr } from "./edge/enrol/build-csr.ts";
import { parseToken } from "./edge/enrol/parse-token.ts";
import { connectPinned, pinHub } from "./edge/enrol/pin-hub.ts";
import { requestIdentity } from "./edge/enrol/request-identity.ts";
import { writeEnrolPort } from "./edge/store/enrol-port.ts";
import { writeIdentity } from "./edge/store/write-identity.ts";

// The enrolment program, `enrol.js CONFIG`. It is separate so that the daemon never loads
// the X.509 library.
// The token comes on stdin or from the file that CONFIG names, never in argv (identity
// rule 12). Prints one JSON line.

const EnrolConfig = Type.Object(
  {
    stateDir: Type.String({ pattern: "^/", maxLength: 400 }),
    /** Address of the hub's enrol listener. */
    host: Type.String({ minLength: 1, maxLength: 255 }),
    port: Type.Integer({ minimum: 1, maximum: 65535 }),
    agentName: AgentName,
    /** Of the agent's new key; ed25519 by default. */
    keyAlgorithm: Type.Optional(KeyAlgorithm),
    /** A file to read the token from instead of stdin. */
    tokenFile: Type.Optional(Type.String({ pattern: "^/", maxLength: 400 })),
  },
  { additionalProperties: false },
);
const parseEnrolConfig = buildParser(
  EnrolConfig,
  "the enrolment's configuration",
  "CONFIG_INVALID",
);

async function enrol(configPath: string): Promise<{ hubId: string; agentId: string }> {
  const bytes = readFileSync(configPath);
  const config = parseEnrolConfig(parseJson(bytes, configPath, "CONFIG_INVALID"));
  const { stateDir, host, port, agentName, tokenFile } = config;
  const token = parseToken(readFileSync(tokenFile ?? 0, "utf8").slice(0, 1000));
  const ca = await pinHub({ host, port }, token.fingerprint);
  const { privateKey, publicKey } = createKeyPair(config.keyAlgorithm ?? DEFAULT_KEY_ALGORITHM);
  const csr = await buildCsr(privateKey, publicKey);
  const socket = await connectPinned({ host, port }, ca);
  try {
    const answer = await requestIdentity(socket, { token, agentName, csr, key: privateKey });
    const { hubId, agentId, certificate, controlAddress, hubKey, registryHead } = answer;
    // Throws for an unfit key now, instead of at the first message.
    algorithmOf(createPublicKey(hubKey));
    writeIdentity(join(stateDir, "identity"), {
      key: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
      certificate,
      ca,
      identity: { hubId, agentId, agentName, controlAddress, hubKey, registryHead },
    });
    writeEnrolPort(join(stateDir, "identity"), port);
    return { hubId, agentId };
  } finally {
    socket.destroy();
  }
}

async function main(): Promise<void> {
  try {
    const configPath = process.argv[2];
    if (configPath === undefined) {
      throw new SondeError("CONFIG_INVALID", "expected the path of a configuration file");
    }
    process.stdout.write(`${JSON.stringify({ enrolled: true, ...(await enrol(configPath)) })}\n`);
  } catch (thrown) {
    const error = toSondeError(thrown);
    process.stdout.write(`${JSON.stringify({ enrolled: false, ...error.toBody() })}\n`);
    process.exitCode = 1;
  }
}

void main();
