import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildPack } from "@sonde/pack-sdk/build";
import { createPublisherKey, signArchive } from "@sonde/pack-sdk/sign";
import { RELEASE } from "@sonde/schemas/release";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Containers } from "./containers.ts";
import { buildPackages, bundlePrograms } from "./packages.ts";
import { isCheckedInContainers, isCheckedInFull } from "./requirements.ts";
import { CACHE } from "./root-filesystem.ts";

// The images of agent, hub and registry, by the commands of docs/packages.md.

const WHAT = "the container images of agent, hub and registry";
const isChecked = isCheckedInFull(WHAT) && isCheckedInContainers(WHAT);

const workspace = resolve(import.meta.dirname, "../..");
const NAMES = ["sonde-registry", "sonde-hub", "sonde-agent"];
const REGISTRY = "http://127.0.0.1:4311";
const HUB = "http://127.0.0.1:4310";
const typed = [
  ...readFileSync(join(workspace, "docs/packages.md"), "utf8").matchAll(
    /^```sh containers\n([\s\S]*?)^```$/gm,
  ),
].flatMap(([, body = ""]) => body.split("\n").filter((line) => line !== ""));

let folder: string;
let machine: Containers | undefined;

beforeAll(async () => {
  if (!isChecked) return;
  folder = mkdtempSync("/tmp/sonde-images-");
  bundlePrograms(workspace);
  const more = ["--formats", "oci.tar", "--roots", CACHE];
  buildPackages(workspace, { out: folder, only: NAMES.join(","), more });
  machine = await Containers.start(folder);
}, 600_000);
afterAll(async () => {
  await machine?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function type(line: string, input?: string): Promise<string> {
  if (machine === undefined) throw new Error("expected a machine of containers");
  return await machine.type(line, input);
}

/** Types the next command of the document, and what it asks for. */
async function typeNext(start: string, input?: string): Promise<string> {
  const line = typed.shift() ?? "";
  expect(line.startsWith(`sudo podman ${start}`), line).toBe(true);
  // A pipe is no terminal, at which a person could say yes.
  const piped = line.includes(" --tty ") ? `${line.replace(" --tty", "")} --yes` : line;
  return await type(piped.slice("sudo ".length), input);
}

async function untilAnswers(url: string): Promise<void> {
  await expect
    .poll(() => type(`curl -sf ${url}/health || true`), { timeout: 60_000 })
    .toContain("ok");
}

test.runIf(isChecked)("the registry answers, without root and without a capability", async () => {
  for (const name of NAMES) {
    expect(await typeNext("load")).toContain(`localhost/${name}:${RELEASE}`);
  }
  await typeNext("run --detach --name sonde-registry");
  await untilAnswers(REGISTRY);
  const users = await type("podman exec sonde-registry ps -eo user:20,comm --no-headers");
  expect(users).toContain("postgres");
  expect(
    new Set(
      users
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]),
    ),
  ).toEqual(new Set(["sonde-registry"]));
});

test.runIf(isChecked)("the hub starts when root has said which registry it follows", async () => {
  expect(await typeNext("run --rm --user root")).toContain("Next: sonde trust add");
  await typeNext("run --detach --name sonde-hub");
  await untilAnswers(HUB);
  const { publicKeyPem } = await createPublisherKey();
  writeFileSync(join(folder, "acme.key.pub"), publicKeyPem);
  await typeNext("cp");
  await typeNext("cp");
  expect(await typeNext("exec sonde-registry")).toContain("acme");
  expect(await typeNext("exec --user root sonde-hub")).toContain("/etc/sonde-hub/trust.json");
});

test.runIf(isChecked)("an agent enrols with its token, and answers a call of a probe", async () => {
  await publishSystemPack();
  const [token = ""] = /sonde_et_\S+/.exec(await typeNext("exec sonde-hub")) ?? [];
  expect(await typeNext("run --rm --interactive", `${token}\n`)).toContain("is enrolled");
  await typeNext("run --detach --name sonde-agent");
  await expect
    .poll(() => type("podman exec sonde-hub sonde agents"), { timeout: 30_000 })
    .toMatch(/ connected,/);
  await typeNext("exec sonde-hub sonde packs install");
  const packs = () => type("podman exec sonde-agent sonde-agent packs");
  await expect.poll(packs, { timeout: 30_000 }).toContain("pending");
  await typeNext("exec sonde-agent");
  expect(typed).toEqual([]);
  const made = await type("podman exec sonde-hub sonde keys add claude --json");
  const { key } = JSON.parse(made) as { key: string };
  await expect.poll(() => askMemory(key), { timeout: 30_000 }).toContain('"status":"ok"');
});

test.runIf(isChecked)(
  "agent and runner are users of their own, without root's rights",
  async () => {
    expect(await type("podman exec sonde-agent stat -c %a /usr/bin/su")).toBe("755\n");
    const rows = await type("podman exec sonde-agent ps -eo user:20,args --no-headers");
    const userOf = (program: string) =>
      rows.split("\n").find((row) => row.includes(`/${program}.js`) && !row.startsWith("root"));
    expect(userOf("agent")).toMatch(/^sonde /);
    expect(userOf("runner")).toMatch(/^sonde-run /);
    expect(
      JSON.parse(await type("podman exec sonde-agent sonde-agent status --json")),
    ).toMatchObject({ wall: "separate-user" });
  },
);

test.runIf(isChecked)("each ends in order when it is told to", async () => {
  await type("podman stop --time 20 sonde-agent sonde-hub sonde-registry");
  const states = await type("podman ps --all --format '{{.Names}} {{.Status}}'");
  const ended = states.split("\n").filter((row) => / Exited \(0\)/.test(row));
  expect(ended).toHaveLength(NAMES.length);
});

test.runIf(isChecked)(
  "closed further, they start too, and with a capability left they do not",
  async () => {
    const image = (name: string) => `localhost/${name}:${RELEASE}`;
    const closed = "--detach --cap-drop all --security-opt no-new-privileges --network host";
    await type("podman rm sonde-registry sonde-agent");
    const registry = "--name closed --volume sonde-registry:/var/lib/sonde-registry";
    await type(`podman run ${closed} ${registry} ${image("sonde-registry")}`);
    await untilAnswers(REGISTRY);
    const agent =
      "--user sonde --tmpfs /run:mode=1777 --volume sonde-agent:/var/lib/sonde-agent --volume sonde-agent-settings:/etc/sonde-agent";
    const refused = type(
      `podman run --rm --network host --cap-add net_raw ${agent} ${image("sonde-agent")}`,
    );
    await expect(refused).rejects.toThrow("PRIVILEGE_REFUSED: expected no capabilities");
    await type(`podman run ${closed} --name alone ${agent} ${image("sonde-agent")}`);
    const status = () => type("podman exec alone sonde-agent status --json || true");
    await expect.poll(status, { timeout: 30_000 }).toContain('"wall":"same-uid"');
  },
);

test.runIf(isChecked)("an image says what it is, and which packages of Debian it has", async () => {
  const shown = await type(`podman image inspect localhost/sonde-hub:${RELEASE}`);
  const [{ Config }] = JSON.parse(shown) as [{ Config: Record<string, unknown> }];
  expect(Config).toMatchObject({
    User: "sonde-hub",
    Volumes: { "/var/lib/sonde-hub": {} },
    ExposedPorts: { "4312/tcp": {}, "4313/tcp": {}, "4314/tcp": {} },
    Labels: {
      "org.opencontainers.image.title": "Sonde hub",
      "org.opencontainers.image.version": RELEASE,
      "org.opencontainers.image.licenses": "Apache-2.0",
      "dev.sonde.debian-packages": expect.stringMatching(/(^| )libc6=\S+ .*postgresql-\d+=\S+/),
    },
  });
});

async function publishSystemPack(): Promise<void> {
  const { privateKey, publicKeyPem } = await createPublisherKey();
  const { archive, manifest } = await buildPack(join(workspace, "packs/system"));
  const files = {
    "sonde.key.pub": publicKeyPem,
    archive,
    bundle: signArchive(archive, privateKey),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const name = "sonde --key /tmp/sonde.key.pub";
  for (const service of ["registry", "hub"]) {
    await type(`podman cp sonde.key.pub sonde-${service}:/tmp/sonde.key.pub`);
  }
  await type(`podman exec --user root sonde-hub sonde trust add ${name}`);
  const added = await type(
    `podman exec sonde-registry sonde registry publisher add ${name} --reserved --json`,
  );
  const { token } = JSON.parse(added) as { token: string };
  await type(
    `curl -sSf -X PUT -H 'authorization: Bearer ${token}' -F 'bundle=@bundle;type=application/json' \
      -F 'archive=@archive;type=application/gzip' ${REGISTRY}/api/v1/packs/${manifest.name}/${manifest.version}`,
  );
}

/** Asks over MCP, and returns the answer. */
async function askMemory(key: string): Promise<string> {
  const body = {
    ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
    params: { name: "system_memory_usage", arguments: { agent: "web-1" } },
  };
  return await type(
    `curl -s ${HUB}/mcp -H 'authorization: Bearer ${key}' -H 'content-type: application/json' \
      -H 'accept: application/json, text/event-stream' -d '${JSON.stringify(body)}'`,
  );
}
