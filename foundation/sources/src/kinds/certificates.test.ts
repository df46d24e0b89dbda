import type { CertificatesSource, Source } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkSource } from "../check-source.ts";
import { classifySource } from "../classify-source.ts";
import { deriveRequires } from "../derive-requires.ts";
import { describeRead } from "../describe-read.ts";
import { listItems } from "../items.ts";
import { verdict } from "../testing/verdict.ts";

const source = (path: CertificatesSource["path"]): CertificatesSource => ({
  ...{ kind: "certificates", path, depth: 4, maxEntries: 500, timeoutMs: 5000, maxBytes: 4096 },
});
const items = (one: Source) => listItems(deriveRequires({ it: one }));

test("a person grants the certificates beneath a folder, and no other content of its files", () => {
  const asked = source("/etc/nginx");
  expect(items(asked)).toEqual(["file /etc/nginx/** CERTIFICATES"]);
  expect(describeRead(asked)).toBe("certificates in the files beneath /etc/nginx (4 levels)");
  expect(classifySource(asked)).toBe("observe");
  const tree: Source = { ...asked, kind: "tree" };
  const holes = { it: { type: "path-beneath", root: "/etc/nginx" } } as const;
  const file: Source = {
    ...{ kind: "file", path: [{ hole: "it" }], holes, timeoutMs: 1000, maxBytes: 4096 },
  };
  for (const other of [tree, file]) expect(items(other)).not.toEqual(items(asked));
});

test("a folder is one that packs may read", () => {
  const check = (path: string) => verdict(() => checkSource("it", source(path)));
  expect(check("/etc/ssl")).toBe("accepted");
  for (const path of ["/dev", "/proc", "/var/lib/sonde", "/etc/../x", "etc/ssl"]) {
    expect(check(path), path).toBe("MANIFEST_INVALID");
  }
});
