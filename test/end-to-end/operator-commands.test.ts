import { spawnSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditEntry } from "@sonde/schemas/audit";
import type { AgentDetail } from "@sonde/schemas/hub";
import { buildHello } from "@sonde/schemas/testing";
import { encodeBody } from "@sonde/schemas/wire";
import { createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RELEASE } from "@sonde/schemas/release";
import { enrolByToken, openSession } from "../product/raw-agent.ts";
import { askProgram, refusalOf, runProgram } from "../product/run-program.ts";
import { type Product, startProduct, workspace } from "../product/start-product.ts";

// What an operator asks and decides day by day, as commands against a running product.

let product: Product;

beforeAll(async () => {
  product = await startProduct({ hubs: 1 });
});
afterAll(() => product?.stop());

const words = (text: string) => [...text.split(" "), "--data", product.data];
const ask = <T>(text: string) => askProgram<T>("sonde", words(text));
async function say(text: string): Promise<string> {
  const { code, out, err } = await runProgram("sonde", words(text));
  expect([code, err]).toEqual([0, ""]);
  return out.trimEnd();
}

test("status says what answers, which packs run, and what a person should do next", async () => {
  const text = await say("status");
  expect(text).toContain(`for clients at ${product.mcpUrl}`);
  expect(text).toMatch(/^hub +answers +http:\/\/127\.0\.0\.1:\d+$/m);
  expect(text).toMatch(/^registry +answers /m);
  expect(text).toMatch(new RegExp(`^agent +connected +${product.agent}$`, "m"));
  expect(text).toMatch(/sonde\/system \S+ +active$/m);
  expect(await ask("status")).toMatchObject({
    ...{ data: product.data, mcpUrl: product.mcpUrl, next: [] },
    services: [
      { service: "hub", problem: null },
      { service: "registry", problem: null },
    ],
  });
});

test("a command in a folder where nothing was started says how to start or find it", async () => {
  for (const command of ["status", "agents", "hub audit", "hub keys", "logs"]) {
    const { code, err } = await runProgram("sonde", [
      ...command.split(" "),
      ...["--data", join(product.data, "none")],
    ]);
    expect(code).toBe(1);
    expect(err).toContain(`npm start -- --data ${join(product.data, "none")}`);
    expect(err).toContain("give the --data of what runs");
  }
});

test("attack 59: the agent's own log is shown and verified on its host", async () => {
  const judged = await ask<{ whole: boolean; entries: number; first: number }>(
    "agent audit verify",
  );
  expect(judged).toMatchObject({ whole: true, first: 1, bad: null });
  expect(judged.entries).toBeGreaterThan(2);
  expect(await say("agent audit verify")).toMatch(/^Entries 1 to \d+ follow one another\./);
  expect(await say("agent audit tail -n 500")).toMatch(/^1 {2}\S+ {2}log\.opened {2}info$/m);
});

describe("the evidence of a call", () => {
  const file = () => join(product.data, "evidence.json");
  /** The program that a stranger has: one file, and no network. */
  const verify = (...more: string[]) => {
    const program = join(workspace, "dist/cli/sonde-evidence.js");
    const line = ["--net", process.execPath, program, ...more];
    return spawnSync("unshare", line, { encoding: "utf8", env: {} });
  };
  let callId = "";

  beforeAll(async () => {
    const called = await ask<{ callIds: string[] }>("call system_memory_usage");
    callId = called.callIds[0] ?? "";
  });

  test("is exported to a file for one user, with a witness, and shows every part", async () => {
    const text = await say(`evidence export ${callId} --out ${file()}`);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(text).toContain(`The evidence is in ${file()}.`);
    expect(text).toMatch(
      /^PROVEN {2}witness: agent \S+: the agent that answered signed at \S+ that it keeps the log of/m,
    );
    expect(text).toMatch(
      /^STATED {2}request: the hub: at \S+ key:\S+ may ask system\.memory\.usage of sha256:/m,
    );
    expect(text).toMatch(
      /^PROVEN {2}pack: publisher sonde: the key sha256:\w+ signed the archive/m,
    );
    expect(text).toMatch(/^PROVEN {2}registry: the registry \S+: its log .* has sonde\/system /m);
    expect(text).toMatch(/^PROVEN {2}order: the hub: .*with the recorded parameters/m);
    expect(text).toMatch(/^PROVEN {2}reads: .*file \/proc\/meminfo/m);
    expect(text).toMatch(/^PROVEN {2}attestation: .*it signed that it is \S+, release/m);
    expect(text).not.toMatch(/^(MISSING|BROKEN)/m);
    expect(text).not.toContain("--pack");
  });

  test("is verified by a program of its own, without a network and without the hub", async () => {
    const { status, stdout } = verify(file());
    expect([status, stdout.split("\n")[0]]).toEqual([0, `Call ${callId}`]);
    const { authority, sound } = JSON.parse(verify(file(), "--json").stdout) as {
      authority: { fingerprint: string };
      sound: boolean;
    };
    expect(sound).toBe(true);
    const pinned = verify(file(), "--fingerprint", authority.fingerprint);
    expect(pinned.stdout).toContain("The hub's CA is the one that was named");
    const { code, out } = await runProgram("sonde", ["evidence", "verify", file()]);
    expect([code, out]).toEqual([0, stdout]);
    const other = verify(file(), "--fingerprint", "0".repeat(64));
    expect([other.status, other.stderr]).toEqual([1, expect.stringContaining("HUB_UNTRUSTED")]);
  });

  test("that was changed is refused, and so is what is none", async () => {
    const evidence = JSON.parse(readFileSync(file(), "utf8")) as { policy: string };
    const changed = join(product.data, "changed.json");
    writeFileSync(changed, JSON.stringify({ ...evidence, policy: "[]" }));
    const { status, stdout } = verify(changed);
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^BROKEN {2}policy: /m)]);
    writeFileSync(changed, JSON.stringify({ ...evidence, more: 1 }));
    expect(verify(changed)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("EVIDENCE_INVALID"),
    });
    expect(verify(join(product.data, "none.json")).stderr).toContain("BAD_REQUEST");
    expect(verify().stderr).toContain("Usage: sonde-evidence FILE");
    expect(verify("--help")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("Exit code"),
    });
    const unknown = words("evidence export 0f3c2a1b-0f3c-4a1b-8f3c-0f3c2a1b0f3c");
    expect(await refusalOf("sonde", unknown)).toBe("NOT_FOUND");
  });
});

test("a client key is one command: it calls tools, and is refused once it is revoked", async () => {
  const keyFile = join(product.data, "..", `key-of-${product.npmPid}`);
  const made = await ask<{ id: string; policy: object; key?: string }>(
    `hub keys add laptop --key-file ${keyFile}`,
  );
  expect(made).toMatchObject({ policy: { role: "client", agents: "*", probes: "*" } });
  expect(made.key).toBeUndefined();
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  const key = readFileSync(keyFile, "utf8").trim();
  const agents = () =>
    fetch(`${product.hubUrl}/api/v1/agents`, { headers: { authorization: `Bearer ${key}` } });
  expect((await agents()).status).toBe(200);
  expect(await say("hub keys")).toMatch(
    new RegExp(
      `^${made.id} +client +all +all +- +since \\S+ +\\S+ from 127\\.0\\.0\\.1 +laptop$`,
      "m",
    ),
  );
  await ask(`hub keys revoke ${made.id}`);
  expect((await agents()).status).toBe(401);
  expect(await say("hub keys list")).toMatch(new RegExp(`^${made.id} .* revoked `, "m"));
  const shown = await say("hub keys add phone --probes sonde/system.overview");
  expect(shown).toMatch(/^The key of phone, shown only once: sonde_ak_\S{49}\nclaude mcp add /);
  expect(await refusalOf("sonde", words("hub keys add x --role root"))).toBe("BAD_REQUEST");
  expect(await refusalOf("sonde", words(`hub keys add x --key-file ${keyFile}`))).toBe(
    "BAD_REQUEST",
  );
});

test("a policy is one command: it narrows a key, says its rule, and goes when nobody holds it", async () => {
  const file = join(product.data, "..", `policy-of-${product.npmPid}`);
  const policy = { tools: { allow: ["system.**"], deny: ["system.kernel.*"] } };
  writeFileSync(file, JSON.stringify(policy));
  expect(await ask(`policy set no-kernel ${file}`)).toMatchObject({ name: "no-kernel", policy });
  const { id } = await ask<{ id: string }>("hub keys add tablet --policy no-kernel --expires 7");
  expect(await say("hub keys")).toMatch(new RegExp(`^${id} .* no-kernel +until \\S+ +never `, "m"));
  const trial = (tool: string) => `policy test tablet ${tool} ${product.agent}`;
  expect(await ask(trial("system_overview"))).toMatchObject({
    allowed: true,
    rules: expect.arrayContaining([{ policy: "no-kernel", line: "tools.allow[0] system.**" }]),
  });
  const refused = await runProgram("sonde", words(trial("system.kernel.version")));
  expect([refused.code, refused.out]).toEqual([
    1,
    expect.stringMatching(
      /^refused, FORBIDDEN: .*\n {2}no-kernel: tools\.deny\[0\] system\.kernel\.\*\n$/,
    ),
  ]);
  expect(await refusalOf("sonde", words("policy remove no-kernel"))).toBe("POLICY_IN_USE");
  expect(JSON.parse(await say("policy show no-kernel"))).toEqual(policy);
  expect(await say("policy")).toMatch(/^no-kernel +1 +\S+ by key:/m);
  const rotated = await ask<{ key: string }>(`hub keys rotate ${id} --overlap 0`);
  expect(rotated.key).toMatch(/^sonde_ak_\S{49}$/);
  await ask(`policy release ${id}`);
  await ask("policy hold tablet no-kernel");
  await ask(`hub keys revoke ${id}`);
  await ask("policy remove no-kernel");
  expect(await say("policy list")).toMatch(/^No policy has a name yet\./);
  expect(await refusalOf("sonde", words("policy test nobody x y"))).toBe("BAD_REQUEST");
  expect(await refusalOf("sonde", words("policy set x /nonexistent"))).toBe("BAD_REQUEST");
});

test("the audit log is shown, and its whole chain is checked", async () => {
  expect(await say("hub audit --last 3")).toMatch(/^SEQ +AT +EVENT +STATUS /);
  const { code, out } = await runProgram("sonde", [...words("hub audit --last 3"), "--json"]);
  expect(code).toBe(0);
  const entries = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as AuditEntry);
  expect(entries).toHaveLength(3);
  expect(entries[2]?.previous).toBe(entries[1]?.hash);
  // No second way gives a plain yes: what nobody attests is said here too.
  expect(await say("hub audit --verify")).toMatch(
    /^Entries 1 to \d+ follow one another\. The last one's hash is sha256:[0-9a-f]{64}\.\nThe hub's audit key signed entries 1 to \d+ at [\s\S]*\nUnattested tail of 1: /,
  );
  expect(await refusalOf("sonde", words("hub audit --last 0"))).toBe("BAD_REQUEST");
});

test("logs are those of one service, or of all", async () => {
  expect(await say("logs hub --last 5")).not.toContain("==>");
  expect(await say("logs --last 1")).toMatch(/==> .*registry\.log <==/);
  const { code, err } = await runProgram("sonde", words("logs nothing"));
  expect([code, err]).toEqual([1, expect.stringContaining("BAD_REQUEST: expected one of agent, ")]);
});

test("a publisher that was trusted is listed, and is trusted no more after a removal", async () => {
  const keyFile = join(product.data, "..", `acme-of-${product.npmPid}.pub`);
  writeFileSync(keyFile, createSampleKey().publicKeyPem);
  const { keyId } = await ask<{ keyId: string }>(`trust add acme --key ${keyFile}`);
  expect(await say("trust list")).toContain(`acme  key ${keyId}`);
  expect(await refusalOf("sonde", words("trust remove acme --key sha256:none"))).toBe("NOT_FOUND");
  expect(await ask("trust remove acme")).toMatchObject({ publisher: "acme", removed: 1 });
  expect(await say("trust list")).not.toContain("acme");
  expect(await refusalOf("sonde", words("trust remove __proto__"))).toBe("NOT_FOUND");
});

test("a host that is invited enrols with the token and has the tags of the invitation", async () => {
  const text = await say("agents invite web-7 --tag role=web --tag env=prod");
  expect(text).toMatch(
    /^The token of web-7, shown only once, for one use until \S+Z:\n {2}sonde_et_/,
  );
  const invited = await ask<{ token: string; hub: string; commands: string[] }>(
    "agents invite web-7 --tag role=web --tag env=prod",
  );
  expect(invited).toMatchObject({
    agent: "web-7",
    tags: ["role=web", "env=prod"],
    replaces: false,
  });
  expect(invited.commands).toEqual([
    `sudo apt install ./sonde-agent_${RELEASE}_$(dpkg --print-architecture).deb`,
    `sudo sonde-agent enrol --hub ${invited.hub} --agent-name web-7 --trust sonde-trust.json`,
  ]);
  // This hub listens on loopback alone.
  expect(text).toContain(`WARNING: ${invited.hub} is this machine alone`);
  expect(invited).toMatchObject({ warning: expect.stringContaining("--public-name") });
  for (const command of invited.commands) expect(text).toContain(`\n  ${command}`);
  await enrolByToken(product, "web-7", invited.token, invited.hub);
  expect(await say("agents")).toMatch(
    /^web-7 +never connected +- +\S+Z +- +not attested +env=prod role=web +0 active$/m,
  );
  expect(await say("agents tag web-7 role=db --remove env")).toBe("web-7 has role=db.");
  expect(await refusalOf("sonde", words("agents tag web-7"))).toBe("BAD_REQUEST");
  expect(await refusalOf("sonde", words("agents tag web-7 --remove env"))).toBe("BAD_REQUEST");
  expect(await ask("agents invite web-7")).toMatchObject({ tags: [], replaces: true });
  for (const bad of ["Role=web", "role", "role=web --tag role=db"]) {
    const line = words(`agents invite web-8 --tag ${bad}`);
    expect(await refusalOf("sonde", line)).toBe("BAD_REQUEST");
  }
});

test("a quarantined agent is shown as such, and released", async () => {
  expect(await refusalOf("sonde", words("agents release web-7 --yes"))).toBe("BAD_REQUEST");
  expect(await say("agents quarantine web-7 --reason Odd.")).toContain(
    "sonde agents release web-7",
  );
  expect(await say("agents")).toMatch(
    /^web-7 +quarantined, never connected .*\n +quarantined: Odd\.$/m,
  );
  expect(await refusalOf("sonde", words("agents release web-7"))).toBe("FORBIDDEN");
  expect(await say("agents release web-7 --yes")).toBe("web-7 is released.");
  expect(await ask("agents")).toMatchObject({
    agents: expect.arrayContaining([
      expect.objectContaining({ name: "web-7", holds: [] }),
    ]) as object,
  });
});

test("what an agent states is shown, and drift is accepted and has a policy", async () => {
  await expect
    .poll(() => ask<{ state: string }>(`agents show ${product.agent}`), { timeout: 30_000 })
    .toMatchObject({ state: "approved", differences: [] });
  // The hub knows each file of the agent of its own release.
  const known = JSON.parse(readFileSync(join(workspace, "dist/agent-release.json"), "utf8")) as {
    files: string[];
  };
  type Shown = { statement: { files: { kind: string; sha256: string }[] } };
  const { statement } = await ask<Shown>(`agents show ${product.agent}`);
  const programs = statement.files.filter(({ kind }) => kind === "program");
  expect(programs.length).toBeGreaterThan(4);
  for (const { sha256 } of programs) expect(known.files).toContain(sha256);
  const shown = await say(`agents show ${product.agent}`);
  expect(shown).toContain(`${product.agent}: as approved`);
  expect(shown).toMatch(/^ {2}program \S+agent\.js sha256:[0-9a-f]{64}$/m);
  expect(shown).toMatch(/^ {2}runtime \S+node /m);
  expect(shown).toMatch(/^ {2}configuration \S+agent\.json sha256:/m);
  expect(shown).toMatch(/^ {2}runner uid \d+ .*NoNewPrivs yes$/m);
  expect(await say("agents")).toMatch(new RegExp(`^${product.agent} .* as approved `, "m"));
  expect(await refusalOf("sonde", words("agents accept-drift web-7 --yes"))).toBe("BAD_REQUEST");
  const line = `agents accept-drift ${product.agent}`;
  expect(await refusalOf("sonde", words(line))).toBe("FORBIDDEN");
  expect(await ask(`${line} --yes`)).toMatchObject({ state: "approved" });
  expect(await say("agents drift-policy")).toMatch(/^Drift of every agent is flagged\./);
  expect(await say("agents drift-policy role=web quarantine")).toMatch(
    /^role=web +quarantine +key:\S+ +\S+Z$/m,
  );
  expect(await refusalOf("sonde", words("agents drift-policy web ignore"))).toBe("BAD_REQUEST");
  expect(await ask("agents drift-policy --remove role=web")).toEqual({ rules: [] });
});

test("a pack is installed on and removed from all agents with a tag", async () => {
  await ask(`agents tag ${product.agent} role=db`);
  type Changed = { agents: { name: string; desired: { name: string }[] }[]; refused: unknown[] };
  const wanted = ({ agents, refused }: Changed) => [
    agents.map(({ name, desired }) => [name, desired.some((one) => one.name === "sonde/docker")]),
    refused,
  ];
  const names = [product.agent, "web-7"].toSorted();
  const removed = await ask<Changed>("hub remove sonde/docker --on role=db");
  expect(wanted(removed)).toEqual([names.map((name) => [name, false]), []]);
  const installed = await ask<Changed>("hub install sonde/docker@^0 --on role=db");
  expect(wanted(installed)).toEqual([names.map((name) => [name, true]), []]);
  for (const which of ["--on role=web", "--on role", `--on role=db --agent ${product.agent}`]) {
    const line = words(`hub install sonde/docker@^0 ${which}`);
    expect(await refusalOf("sonde", line)).toBe("BAD_REQUEST");
  }
  const one = await runProgram("sonde", words("hub install sonde/none --on role=db"));
  expect([one.code, one.out]).toEqual([1, expect.stringContaining("web-7 was not changed: ")]);
  await ask(`agents tag ${product.agent} --remove role`);
});

test("a canary that refuses a version stops its roll-out, and one that takes it does not", async () => {
  const invited = await ask<{ token: string; hub: string }>("agents invite a-canary --tag role=eu");
  const identity = await enrolByToken(product, "a-canary", invited.token, invited.hub);
  const { channel, socket } = await openSession(identity);
  const { agents } = await ask<{ agents: AgentDetail[] }>("agents");
  const { desired = [] } = agents.find(({ name }) => name === product.agent) ?? {};
  const { version = "" } = desired.find(({ name }) => name === "sonde/docker") ?? {};
  const reason = { code: "MANIFEST_INVALID", message: "not like this", retryable: false, hint: "" };
  const report = { name: "sonde/docker", version, digest: null, state: "failed" };
  const pack = { ...report, signer: null, probes: [], approved: null, reason };
  socket.send(channel.seal({ type: "hello", body: encodeBody(buildHello({ packs: [pack] })) }));
  await ask(`agents tag ${product.agent} role=eu`);
  await ask(`hub remove sonde/docker --agent ${product.agent}`);
  const line = words("hub install sonde/docker --on role=eu --canary 1");
  const stopped = await runProgram("sonde", line);
  expect(stopped.code).toBe(1);
  expect(stopped.out).toContain(`Stopped at a-canary: ${version} is failed: MANIFEST_INVALID`);
  expect(stopped.out).toContain(`Not changed: ${product.agent}.`);
  socket.close();
  const went = await ask<{ agents: { name: string }[]; stopped: null; left: [] }>(
    "hub install sonde/docker --on role=eu --canary 1",
  );
  // The other one is offline by now: it comes last, and nobody waits for it.
  expect(went.agents.map(({ name }) => name)).toEqual([product.agent, "a-canary"]);
  expect(went).toMatchObject({ stopped: null, left: [] });
  expect(await refusalOf("sonde", words("hub install sonde/docker --canary 1"))).toBe(
    "BAD_REQUEST",
  );
  const zero = words("hub install sonde/docker --on role=eu --canary 0");
  expect(await refusalOf("sonde", zero)).toBe("BAD_REQUEST");
  await ask("agents revoke a-canary --yes");
  await ask(`agents tag ${product.agent} --remove role`);
});

test("an agent is listed, and revoked only after a yes", async () => {
  expect(await say("agents")).toMatch(
    new RegExp(
      `^${product.agent} +connected, last said \\S+ +${RELEASE} +\\S+Z +[+-]\\d\\.\\d s +\\S.*\\S +- +\\d+ active$`,
      "m",
    ),
  );
  expect(await refusalOf("sonde", words(`agents revoke ${product.agent}`))).toBe("FORBIDDEN");
  for (const name of [product.agent, "web-7"]) {
    expect(await ask(`agents revoke ${name} --yes`)).toMatchObject({ revoked: name });
  }
  expect(await say("agents")).toMatch(
    /^No agent is enrolled\. To add one: .*sonde agents invite NAME$/,
  );
});
