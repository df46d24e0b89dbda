import type { PackExplanation } from "@sonde/schemas/agent";
import { expect, test } from "vitest";
import { describePack } from "./describe-pack.ts";
import { requireEndpoints } from "./endpoints.ts";

const nothing = { groups: [], commands: [], files: [], sockets: [] };
const shown: PackExplanation = {
  ...{ name: "acme/hello", version: "1.0.0", digest: `sha256:${"a".repeat(64)}` },
  requires: { ...nothing, hosts: ["<endpoint> TLS"] },
  ...{ signer: { kind: "none", publisher: "acme" }, state: "pending", reason: null },
  ...{ granted: null, missing: nothing, gone: nothing, items: [], windows: [], wider: [] },
  ...{
    endpoints: [],
    probes: [],
    before: [],
    hub: { granted: null, mayGrant: [], revoked: false },
  },
};
const named = (given: string[], pack = shown): string => {
  try {
    return requireEndpoints(pack, given).join(" ");
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test("endpoints are named once each, for a pack that asks for some", () => {
  expect(named([])).toBe("");
  expect(named(["b.example:1", "[2001:db8::1]:443", "192.0.2.1:80", "b.example:1"])).toBe(
    "192.0.2.1:80 [2001:db8::1]:443 b.example:1",
  );
  for (const stray of ["a.example:443", "127.0.0.1:443"]) {
    expect(named([stray], { ...shown, requires: nothing })).toBe("BAD_REQUEST");
  }
});

// Attack 78.
test("a pack that never leaves the host is given ports of loopback and no other", () => {
  const local = { ...shown, requires: { ...nothing, sockets: ["<endpoint> GET /nginx_status"] } };
  expect(named(["127.0.0.1:8080", "[::1]:8080"], local)).toBe("127.0.0.1:8080 [::1]:8080");
  for (const away of ["192.0.2.1:80", "shop.example:80", "localhost:80", "0.0.0.0:80"]) {
    expect(named([away], local), away).toBe("BAD_REQUEST");
  }
  expect(describePack({ ...local, endpoints: ["127.0.0.1:8080"] })).toContain(
    "  may connect to\n    127.0.0.1:8080\n",
  );
});

// Attack 78.
test("no endpoint is a link-local address, a metadata service or anything else", () => {
  const refused = [
    ...["169.254.169.254:80", "[fe80::1]:80", "[fd00:ec2::254]:80", "[::ffff:169.254.1.1]:80"],
    ...["", "a.example", "a.example:0", "a.example:65536", "A.example:1", "-a:1", "a..b:1", "a:1 "],
    ...["https://a.example:443", "a.example:443/x", "u@a.example:443", "::1:443", "[::g]:1"],
  ];
  expect(refused.map((one) => named([one]))).toEqual(refused.map(() => "BAD_REQUEST"));
});

test("a person reads where a pack may connect to, or that it may connect to nothing", () => {
  expect(describePack({ ...shown, endpoints: ["a.example:443"] })).toContain(
    "  may connect to\n    a.example:443\n",
  );
  expect(describePack(shown)).toContain(
    "  may connect to\n    nothing: name it by --endpoint HOST:PORT\n",
  );
  const before = { ...shown, endpoints: ["a.example:443", "b.example:443"] };
  expect(describePack(before, ["b.example:443"])).toContain(
    "  may connect to\n    b.example:443\n    - a.example:443, which was granted before\n",
  );
  expect(describePack({ ...shown, requires: nothing })).not.toContain("may connect to");
});
