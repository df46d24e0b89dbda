import { setTimeout as sleep } from "node:timers/promises";
import { RELEASE } from "@sonde/schemas/release";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Host } from "./host.ts";
import {
  askMemory,
  HUB,
  installAll,
  installPackages,
  NAMES,
  startInstallable,
  startServing,
  untilAnswers,
} from "./installed-system.ts";
import type { Lab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedInFull } from "./requirements.ts";

// This release, and one that differs from it by its number alone, on one host.

const isChecked = isCheckedInFull("an upgrade of the packages on a host");

const NEXT = "0.99.0";
/** How long no call is answered, at most. */
const MAX_GAP_MS = 5000;
const LOOK_MS = 100;

let lab: Lab | undefined;
let host: Host;
let key: string;

beforeAll(async () => {
  if (!isChecked) return;
  const only = NAMES.toSorted().join(",");
  ({ lab, host } = await startInstallable([obtainPackages(only), obtainPackages(only, NEXT)]));
}, 1_200_000);
afterAll(() => lab?.close());

test.runIf(isChecked)(
  "this release is installed, and answers",
  async () => {
    await installAll(host);
    key = await startServing(host);
    expect(await askMemory(host, key)).toBe("ok");
  },
  300_000,
);

/** What a host must not lose: who it is, what was granted, and what was recorded. */
async function readKept(): Promise<string[]> {
  const digests = await host.mustExec([
    ...["sh", "-c", "cd /var/lib/sonde-agent && sha256sum identity/key.pem identity/identity.json"],
  ]);
  const grants = await host.mustExec(["sh", "-c", "sha256sum /etc/sonde-agent/grants/*"]);
  return [digests, grants];
}

const readAudit = (): Promise<string> =>
  host.mustExec(["sh", "-c", "cat /var/lib/sonde-agent/audit/*"]);

test.runIf(isChecked)(
  "an upgraded agent answers again within 5 s, with its identity, grants and audit",
  async () => {
    const [kept, audit] = [await readKept(), await readAudit()];
    let lastAnswer = performance.now();
    let longest = 0;
    let isUpgraded = false;
    const upgrade = installPackages(host, ["sonde-agent"], NEXT).finally(() => (isUpgraded = true));
    for (let more = 5; more > 0; ) {
      if ((await askMemory(host, key)) === "ok") {
        longest = Math.max(longest, performance.now() - lastAnswer);
        lastAnswer = performance.now();
        if (isUpgraded) more -= 1;
      }
      if (performance.now() - lastAnswer > 60_000) break;
      await sleep(LOOK_MS);
    }
    await upgrade;
    expect(longest).toBeLessThanOrEqual(MAX_GAP_MS);
    expect(await host.mustExec(["sonde-agent", "--version"])).toBe(`${NEXT}\n`);
    expect(await host.mustExec(["sonde", "agents"])).toContain(` ${NEXT} `);
    expect(await readKept()).toEqual(kept);
    expect((await readAudit()).startsWith(audit)).toBe(true);
  },
  300_000,
);

test.runIf(isChecked)(
  "hub and registry upgrade, with their agents, packs and keys",
  async () => {
    const old = { hubUrl: "http://127.0.0.1:1", mcpUrl: "http://127.0.0.1:1/mcp" };
    host.writeFile("/etc/sonde-hub/endpoints.json", JSON.stringify(old));
    await installPackages(host, ["sonde-registry", "sonde-hub"], NEXT);
    await untilAnswers(host, HUB);
    expect((await host.exec(["ls", "/etc/sonde-hub/endpoints.json"])).code).not.toBe(0);
    expect(await host.mustExec(["sonde", "--version"])).toBe(`${NEXT}\n`);
    await expect.poll(() => askMemory(host, key), { timeout: 30_000 }).toBe("ok");
  },
  300_000,
);

// Attack 44.
test.runIf(isChecked)(
  "an older version is refused in words, and the newer one goes on, unless it is forced",
  async () => {
    const file = (name: string) => `/root/${name}_${RELEASE}_amd64.deb`;
    for (const name of NAMES) {
      const { code, err } = await host.exec(["dpkg", "--install", file(name)]);
      expect(code).not.toBe(0);
      expect(err).toContain(`${name}: expected ${NEXT} or newer, got ${RELEASE}`);
      expect(await host.mustExec(["dpkg-query", "-W", "-f", "${Version}", name])).toBe(NEXT);
    }
    expect(await askMemory(host, key)).toBe("ok");
    const forced = ["env", "SONDE_ALLOW_DOWNGRADE=yes", "dpkg", "--install"];
    await host.mustExec([...forced, file("sonde-agent")]);
    expect(await host.mustExec(["sonde-agent", "--version"])).toBe(`${RELEASE}\n`);
    await expect.poll(() => askMemory(host, key), { timeout: 30_000 }).toBe("ok");
  },
  300_000,
);

// Attack 44.
test.runIf(isChecked)(
  "the .tar.gz refuses an older version too",
  async () => {
    await host.mustExec(["apt-get", "purge", "--yes", "sonde-agent"]);
    const install = async (version: string, ...more: string[]) => {
      const name = `sonde-agent-${version}`;
      await host.mustExec([
        "tar",
        "xf",
        `/root/sonde-agent_${version}_amd64.tar.gz`,
        "-C",
        "/root",
      ]);
      return await host.exec([`/root/${name}/install`, ...more]);
    };
    expect(await install(NEXT)).toMatchObject({ code: 0 });
    const refused = await install(RELEASE);
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining(`sonde-agent: expected ${NEXT} or newer, got ${RELEASE}`),
    });
    expect(await host.mustExec(["sonde-agent", "--version"])).toBe(`${NEXT}\n`);
    expect(await install(RELEASE, "--allow-downgrade")).toMatchObject({ code: 0 });
    expect(await host.mustExec(["sonde-agent", "--version"])).toBe(`${RELEASE}\n`);
  },
  300_000,
);
