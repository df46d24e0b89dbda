import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ErrorBody } from "@sonde/schemas/errors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { readHubCa } from "../../cli/src/read-back.ts";
import { runStart } from "../product/run-start.ts";
import { type Product, startProduct, workspace } from "../product/start-product.ts";

// What others put in root's way: into a data folder, or into a service's own folder.

const NOBODY = 65_534;
const SECRET = "root's secret";
const root = mkdtempSync("/tmp/sonde-planted-");
const secret = join(root, "secret");
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeAll(() => {
  chmodSync(root, 0o755);
  writeFileSync(secret, SECRET, { mode: 0o600 });
});

async function refusalOf(data: string): Promise<string> {
  const start = runStart(["--yes", "--json", "--data", data, "--port", "0"]);
  expect(await start.ended).toBe(1);
  return (JSON.parse(start.out()) as ErrorBody).error.code;
}

describe.runIf(process.getuid?.() === 0)("root", () => {
  test("attack 71: adopts no folder of another user, and changes nothing in it", async () => {
    const data = join(root, "theirs");
    mkdirSync(join(data, "config"), { recursive: true });
    const elsewhere = join(root, "elsewhere");
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(data, "hub"));
    writeFileSync(join(data, "config/trust.json"), "{}");
    for (const path of ["", "config", "config/trust.json"]) {
      chownSync(join(data, path), NOBODY, NOBODY);
    }
    expect(await refusalOf(data)).toBe("RIGHT_MISSING");
    expect(await refusalOf(join(data, "new"))).toBe("RIGHT_MISSING");
    expect(readdirSync(data).toSorted()).toEqual(["config", "hub"]);
    // Given to root later, its links and files are refused one by one.
    chownSync(data, 0, 0);
    expect(await refusalOf(data)).toBe("RIGHT_MISSING");
    expect(readdirSync(elsewhere)).toEqual([]);
    expect(execFileSync("stat", ["-c", "%u", elsewhere], { encoding: "utf8" }).trim()).toBe("0");
  });

  test("attack 71: adopts no folder that others may write to or replace", async () => {
    const open = join(root, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    expect(await refusalOf(open)).toBe("RIGHT_MISSING");
    expect(await refusalOf(join(open, "below"))).toBe("RIGHT_MISSING");
    expect(readdirSync(open)).toEqual([]);
    // A folder that the kernel does not let anybody make.
    expect(await refusalOf("/proc/x")).toBe("RIGHT_MISSING");
  });

  describe("reads from a service", () => {
    let product: Product;
    beforeAll(async () => {
      product = await startProduct({ hubs: 1 });
    });
    afterAll(() => product?.stop());

    /** As the hub's user, which an attacker has taken over. */
    const asHub = (command: string) =>
      execFileSync("setpriv", [
        ...["--reuid=sonde-hub", "--regid=sonde-hub", "--clear-groups"],
        ...["sh", "-ec", command],
      ]);
    const askHub = () =>
      spawnSync("npm", ["run", "-s", "sonde", "--", "hub", "registry", "--data", product.data], {
        cwd: workspace,
        encoding: "utf8",
      });

    test("attack 72: a link in place of the key lends out no file of root", () => {
      expect(askHub().status).toBe(0);
      const key = join(product.data, "hub/operator-key");
      asHub(`mv ${key} ${key}.kept; ln -s ${secret} ${key}`);
      const { status, stdout, stderr } = askHub();
      expect(status).toBe(1);
      expect(stderr).toContain("RIGHT_MISSING");
      expect(stdout + stderr).not.toContain(SECRET);
      asHub(`mv ${key}.kept ${key}`);
      expect(askHub().status).toBe(0);
    });

    test("attack 72: neither does a link in place of the folder of the CA's certificate", () => {
      const { data } = product;
      const before = readFileSync(join(data, "config/hub-ca.pem"), "utf8");
      const keys = join(data, "hub/keys");
      const folder = join(root, "lent");
      mkdirSync(folder);
      writeFileSync(join(folder, "ca.pem"), SECRET, { mode: 0o600 });
      // The hub has read its keys by now. It can change them while root waits for its first word.
      asHub(`mv ${keys} ${keys}.kept; ln -s ${folder} ${keys}`);
      expect(() => readHubCa(layoutOf(data))).toThrow(
        expect.objectContaining({ code: "RIGHT_MISSING" }),
      );
      asHub(`rm ${keys}; mv ${keys}.kept ${keys}`);
      expect(readHubCa(layoutOf(data))).toBe(before);
    });
  });
});
