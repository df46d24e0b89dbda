import { generateKeyPairSync } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { describe, expect, test } from "vitest";
import { createSampleLog } from "../testing/index.ts";
import { createKeyPair, createSigningKey } from "../envelope/keys.ts";
import { openCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { followLog, headOf } from "./follow-log.ts";
import {
  EMPTY_FRONTIER,
  type Frontier,
  appendLeaf,
  decodeFrontier,
  encodeFrontier,
  hashLeaf,
  hashNode,
  isConsistent,
  rootFromInclusion,
  rootOf,
  type Tree,
} from "./merkle.ts";
import { formatNoteKey, openNote, parseNoteKey } from "./signed-note.ts";
import {
  decodeEntries,
  encodeEntries,
  parseTilePath,
  proveConsistency,
  readProvenEntry,
  tileAt,
  tilePath,
} from "./tiles.ts";

const text = (value: string): Uint8Array => Buffer.from(value, "utf8");
const entryOf = (index: number): Uint8Array => text(`entry ${index}`);

async function codeOf(step: () => unknown): Promise<string> {
  try {
    await step();
    return "accepted";
  } catch (error) {
    return error instanceof SondeError ? error.code : String(error);
  }
}

describe("merkle tree", () => {
  // The reference tree of the Certificate Transparency project's own tests.
  const LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
  ];
  const ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ];

  test("the roots are those of the reference tree", () => {
    const roots = [rootOf(EMPTY_FRONTIER)];
    let frontier = EMPTY_FRONTIER;
    for (const leaf of LEAVES) {
      frontier = appendLeaf(frontier, hashLeaf(Buffer.from(leaf, "hex")));
      roots.push(rootOf(frontier));
      expect(decodeFrontier(encodeFrontier(frontier))).toEqual(frontier);
    }
    expect(roots.map((root) => root.toString("hex"))).toEqual(ROOTS);
  });

  /** Section 2.1.1, word for word: slow, and written independently of the code under test. */
  function treeHash(leaves: readonly Buffer[]): Buffer {
    if (leaves.length <= 1) return leaves[0] ?? rootOf(EMPTY_FRONTIER);
    const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
    return hashNode(treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)));
  }

  test("a frontier's root is the tree hash at every size", () => {
    const leaves = Array.from({ length: 70 }, (_, index) => hashLeaf(entryOf(index)));
    let frontier: Frontier = EMPTY_FRONTIER;
    leaves.forEach((leaf, index) => {
      frontier = appendLeaf(frontier, leaf);
      expect(rootOf(frontier)).toEqual(treeHash(leaves.slice(0, index + 1)));
    });
  });

  test("a frontier of another size than its hashes is refused", async () => {
    const place = encodeFrontier(appendLeaf(EMPTY_FRONTIER, hashLeaf(text("a"))));
    for (const size of [0, 3]) {
      expect(await codeOf(() => decodeFrontier({ ...place, size }))).toBe(
        "REGISTRY_LOG_INCONSISTENT",
      );
    }
  });

  test("a leaf is not a node: an entry made of two hashes is not taken for a subtree", () => {
    const [a, b] = [hashLeaf(text("a")), hashLeaf(text("b"))];
    expect(hashLeaf(Buffer.concat([a, b]))).not.toEqual(hashNode(a, b));
  });

  test("a proof of another length, place or size does not verify", () => {
    const leaf = hashLeaf(text("a"));
    expect(rootFromInclusion(leaf, 0, 2, [])).toBeNull();
    expect(rootFromInclusion(leaf, 0, 1, [leaf])).toBeNull();
    expect(rootFromInclusion(leaf, 2, 2, [leaf])).toBeNull();
    expect(rootFromInclusion(leaf, 0, 1, [])).toEqual(leaf);
  });
});

describe("consistency", () => {
  const SIZE = 300;
  const log = createSampleLog();
  const trees: Tree[] = [{ size: 0, root: rootOf(EMPTY_FRONTIER) }];
  for (let index = 0; index < SIZE; index++) {
    log.append(entryOf(index));
    trees.push({ size: index + 1, root: rootOf(log.frontier) });
  }
  const treeOf = (size: number) => trees[size] as Tree;

  /** Section 2.1.4.1, word for word. */
  function subProof(from: number, leaves: readonly Buffer[], isWhole: boolean): Buffer[] {
    const hashAll = (some: readonly Buffer[]): Buffer => {
      if (some.length === 1) return some[0] as Buffer;
      const split = 2 ** Math.floor(Math.log2(some.length - 1));
      return hashNode(hashAll(some.slice(0, split)), hashAll(some.slice(split)));
    };
    if (from === leaves.length) return isWhole ? [] : [hashAll(leaves)];
    const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
    const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
    return from <= split
      ? [...subProof(from, left, isWhole), hashAll(right)]
      : [...subProof(from - split, right, false), hashAll(left)];
  }

  test("every proof is that of the specification, and verifies", async () => {
    const leaves = Array.from({ length: 40 }, (_, index) => hashLeaf(entryOf(index)));
    for (let size = 1; size <= leaves.length; size++) {
      for (let from = 1; from <= size; from++) {
        const proof = await proveConsistency(from, size, log.readTile);
        expect(proof).toEqual(subProof(from, leaves.slice(0, size), true));
        expect(isConsistent(treeOf(from), treeOf(size), proof)).toBe(true);
      }
    }
  });

  test("proofs over more than one tile verify", async () => {
    for (const [from, size] of [
      [1, 300],
      [255, 257],
      [256, 300],
      [257, 299],
      [128, 256],
      [0, 300],
    ] as const) {
      const proof = await proveConsistency(from, size, log.readTile);
      expect(isConsistent(treeOf(from), treeOf(size), proof)).toBe(true);
    }
  });

  test("a proof of other trees, a changed, a longer and a shorter one do not", async () => {
    const other = Buffer.alloc(32, 7);
    for (let size = 1; size <= 24; size++) {
      for (let from = 1; from < size; from++) {
        const [small, large] = [treeOf(from), treeOf(size)];
        const proof = await proveConsistency(from, size, log.readTile);
        expect(isConsistent({ ...small, root: other }, large, proof)).toBe(false);
        expect(isConsistent(small, { ...large, root: other }, proof)).toBe(false);
        expect(isConsistent(small, large, [...proof, other])).toBe(false);
        expect(isConsistent(small, large, proof.slice(1))).toBe(false);
        expect(isConsistent(small, large, proof.slice(0, -1))).toBe(false);
        for (const place of proof.keys()) {
          expect(isConsistent(small, large, proof.with(place, other))).toBe(false);
        }
      }
    }
    expect(isConsistent(treeOf(5), treeOf(5), [])).toBe(true);
    expect(isConsistent({ size: 5, root: other }, treeOf(5), [])).toBe(false);
    expect(isConsistent(treeOf(5), treeOf(5), [other])).toBe(false);
    expect(isConsistent(treeOf(6), treeOf(5), [])).toBe(false);
    expect(isConsistent(treeOf(0), treeOf(5), [other])).toBe(false);
  });

  test("a log that was written anew is not consistent with what was seen of it", async () => {
    const fork = createSampleLog();
    for (let index = 0; index < 20; index++) fork.append(text(`other ${index}`));
    const larger = { size: 20, root: rootOf(fork.frontier) };
    const proof = await proveConsistency(11, 20, fork.readTile);
    expect(isConsistent(treeOf(11), larger, proof)).toBe(false);
  });
});

describe("tiles", () => {
  test("paths are those of the specification, and no other spelling is one", () => {
    expect(tilePath({ level: 0, index: 1234067, width: 256 })).toBe("tile/0/x001/x234/067");
    expect(tilePath({ level: null, index: 0, width: 17 })).toBe("tile/entries/000.p/17");
    for (const path of ["tile/0/000", "tile/63/x001/000.p/255", "tile/entries/999"]) {
      expect(tilePath(parseTilePath(path) as never)).toBe(path);
    }
    const bad = [
      "tile/0/0",
      "tile/0/x000/001",
      "tile/64/000",
      "tile/00/000",
      "tile/0/000.p/256",
      "tile/0/000.p/0",
    ];
    for (const path of [...bad, "tile/0/000/", "tile/0/../000", "tile/-1/000", "checkpoint"]) {
      expect(parseTilePath(path)).toBeNull();
    }
  });

  test("a log of 70,000 entries has the tiles the specification counts", () => {
    const size = 70_000;
    expect(tileAt(0, 272, size)?.width).toBe(256);
    expect(tileAt(0, 273, size)?.width).toBe(112);
    expect(tileAt(0, 274, size)).toBeNull();
    expect(tileAt(1, 1, size)?.width).toBe(17);
    expect(tileAt(2, 0, size)?.width).toBe(1);
    expect(tileAt(1, 0, 255)).toBeNull();
  });

  test("entries are the same after encoding and decoding; other bytes are refused", async () => {
    const entries = [text(""), text("a"), Buffer.alloc(65_535, 1)];
    const bytes = encodeEntries(entries);
    expect(decodeEntries(bytes, 3).map((entry) => entry.length)).toEqual([0, 1, 65_535]);
    for (const [wrong, width] of [
      [bytes, 2],
      [bytes, 4],
      [bytes.subarray(0, -1), 3],
      [Buffer.concat([bytes, Buffer.of(0)]), 3],
    ] as const) {
      expect(await codeOf(() => decodeEntries(wrong, width))).toBe("REGISTRY_LOG_INCONSISTENT");
    }
    expect(() => encodeEntries([Buffer.alloc(65_536)])).toThrow(RangeError);
  });

  test("every entry of logs of many sizes is proven; any other byte is not", async () => {
    const log = createSampleLog();
    for (const size of [1, 2, 3, 7, 255, 256, 257, 600]) {
      while (log.frontier.size < size) log.append(entryOf(log.frontier.size));
      const tree = { size, root: rootOf(log.frontier) };
      for (const index of new Set([0, 1, Math.floor(size / 2), size - 2, size - 1])) {
        if (index < 0 || index >= size) continue;
        const proven = await readProvenEntry(index, tree, (id) => log.readTile(id));
        expect(Buffer.from(proven).toString()).toBe(`entry ${index}`);
        const lying = async (id: Parameters<typeof log.readTile>[0]): Promise<Uint8Array> => {
          const bytes = Buffer.from(await log.readTile(id));
          const at = id.level === null ? bytes.length - 1 : 0;
          bytes.writeUInt8((bytes.readUInt8(at) + 1) % 256, at);
          return bytes;
        };
        const code = await codeOf(() => readProvenEntry(size - 1, tree, lying));
        expect(code).toBe("REGISTRY_LOG_INCONSISTENT");
      }
    }
    for (const index of [-1, 600, 601]) {
      const tree = { size: 600, root: rootOf(log.frontier) };
      expect(await codeOf(() => readProvenEntry(index, tree, (id) => log.readTile(id)))).toBe(
        "REGISTRY_LOG_INCONSISTENT",
      );
    }
  });
});

describe("checkpoints", () => {
  const log = createSampleLog();
  log.append(text("a"));
  const at = new Date("2026-01-02T03:04:05.000Z");
  const note = log.checkpoint({ at });

  test("a checkpoint that the key signed gives size, root and time", () => {
    const opened = openCheckpoint(note, log.key);
    expect(opened).toMatchObject({ size: 1, at, note });
    expect(opened.root).toEqual(rootOf(log.frontier));
    expect(note.split("\n")[0]).toBe(log.key.name);
  });

  test("the key's text form is a verifier key and gives the same key back", () => {
    const vkey = formatNoteKey(log.key);
    expect(vkey).toMatch(/^registry\.example\/log\+[0-9a-f]{8}\+A[A-Za-z0-9+/=]+$/);
    expect(openCheckpoint(note, parseNoteKey(vkey)).size).toBe(1);
    const wrong = [
      vkey.replace("example", "other"),
      vkey.slice(0, -5),
      "",
      "a+b+c",
      vkey.replace(/\+A/, "+B"),
    ];
    for (const wrongKey of wrong) expect(() => parseNoteKey(wrongKey)).toThrowError(SondeError);
  });

  // Test vector: key and note of the example in the package golang.org/x/mod/sumdb/note.
  test("a note of another implementation is read the same way", () => {
    const key = parseNoteKey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    expect(formatNoteKey(key)).toBe(
      "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    );
  });

  test("a checkpoint of an RSA key is read too, and is none of another key of that name", async () => {
    const name = "sonde.hub/log";
    const [one, other] = [createKeyPair("rsa-sha256"), createKeyPair("rsa-sha256")];
    const tree = { size: 1, root: rootOf(log.frontier) };
    const key = { name, publicKey: one.publicKey };
    const signer = createSigningKey(one.privateKey, one.publicKey);
    const signed = signCheckpoint(tree, key, signer, at);
    expect(openCheckpoint(signed, key)).toMatchObject({ ...tree, at });
    const impostor = { name, publicKey: other.publicKey };
    expect(await codeOf(() => openCheckpoint(signed, impostor))).toBe("REGISTRY_LOG_INCONSISTENT");
    const forged = signCheckpoint(tree, impostor, signer, at);
    expect(await codeOf(() => openCheckpoint(forged, impostor))).toBe("REGISTRY_LOG_INCONSISTENT");
    const later = signed.replace("\n1\n", "\n2\n");
    expect(await codeOf(() => openCheckpoint(later, key))).toBe("REGISTRY_LOG_INCONSISTENT");
  });

  test("signatures of other keys are ignored and do not count", async () => {
    const other = createSampleLog("witness.example");
    const extra = other.checkpoint().split("\n\n")[1] ?? "";
    expect(openCheckpoint(note + extra, log.key).size).toBe(1);
    expect(await codeOf(() => openCheckpoint(note, other.key))).toBe("REGISTRY_LOG_INCONSISTENT");
    const impostor = { name: log.key.name, publicKey: generateKeyPairSync("ed25519").publicKey };
    expect(await codeOf(() => openCheckpoint(note, impostor))).toBe("REGISTRY_LOG_INCONSISTENT");
  });

  test("any changed character, missing line or second origin is refused", async () => {
    const lines = note.split("\n");
    const without = (index: number): string => lines.toSpliced(index, 1).join("\n");
    // Neither the plain signature nor the timestamp is enough by itself.
    for (const index of [0, 1, 2, 4, 5]) {
      expect(await codeOf(() => openCheckpoint(without(index), log.key))).toBe(
        "REGISTRY_LOG_INCONSISTENT",
      );
    }
    for (let index = 0; index < note.length; index++) {
      // Adding one also changes the trailing bits that base64 does not use.
      const next = String.fromCodePoint((note.codePointAt(index) ?? 0) + 1);
      const changed = `${note.slice(0, index)}${next}${note.slice(index + 1)}`;
      expect(await codeOf(() => openCheckpoint(changed, log.key))).toBe(
        "REGISTRY_LOG_INCONSISTENT",
      );
    }
    expect(await codeOf(() => openNote(`${note}${"\n".repeat(20_000)}`, log.key))).toBe(
      "REGISTRY_LOG_INCONSISTENT",
    );
  });
});

describe("following a log", () => {
  const build = (size: number) => {
    const log = createSampleLog();
    for (let index = 0; index < size; index++) log.append(entryOf(index));
    return log;
  };
  const follow = (
    log: ReturnType<typeof build>,
    changes: Partial<Parameters<typeof followLog>[0]> = {},
  ) =>
    followLog({
      key: log.key,
      from: EMPTY_FRONTIER,
      readCheckpoint: async () => log.checkpoint(),
      readTile: (id) => log.readTile(id),
      seen: [],
      now: new Date(),
      onEntry: () => undefined,
      ...changes,
    });

  test("every entry is handed on once, from where the reader stood", async () => {
    const log = build(300);
    const got: string[] = [];
    const onEntry = (entry: Uint8Array, index: number) => {
      got.push(`${index}:${Buffer.from(entry).toString()}`);
    };
    const first = await follow(log, { onEntry });
    expect(got).toEqual(Array.from({ length: 300 }, (_, index) => `${index}:entry ${index}`));
    got.length = 0;
    log.append(entryOf(300));
    const second = await follow(log, { from: first.frontier, onEntry });
    expect(got).toEqual(["300:entry 300"]);
    expect(second.checkpoint.size).toBe(301);
    expect(headOf(second.frontier).hash).toBe(`sha256:${second.checkpoint.root.toString("hex")}`);
  });

  test("a rewritten, shortened, hidden or added entry is noticed", async () => {
    const log = build(10);
    const { frontier } = await follow(log);
    const rewritten = createSampleLog();
    for (let index = 0; index < 12; index++)
      rewritten.append(text(index === 5 ? "other" : `entry ${index}`));
    const cases: [string, Promise<unknown>][] = [
      ["rewritten", follow(rewritten, { from: frontier })],
      ["shorter", follow(log, { readCheckpoint: async () => build(9).checkpoint() })],
      ["shorter, own key", follow(log.fork(), { from: { ...frontier, size: 11 } })],
      [
        "hidden entry",
        follow(log, {
          readTile: async () => encodeEntries(Array.from({ length: 10 }, () => text("x"))),
        }),
      ],
      ["proof left out", follow(log, { readTile: async () => Buffer.alloc(0) })],
    ];
    for (const [name, step] of cases) {
      expect([name, await codeOf(() => step)]).toEqual([name, "REGISTRY_LOG_INCONSISTENT"]);
    }
  });

  test("a smaller head by the same key is a rollback", async () => {
    const log = build(5);
    const older = log.checkpoint();
    const grown = log.fork();
    grown.append(text("more"));
    const { frontier } = await follow(grown);
    expect(
      await codeOf(() => follow(log, { from: frontier, readCheckpoint: async () => older })),
    ).toBe("REGISTRY_LOG_INCONSISTENT");
  });

  test("a fork is noticed by the head that another reader saw", async () => {
    const log = build(5);
    const fork = log.fork();
    log.append(text("for you"));
    fork.append(text("for me"));
    const mine = headOf((await follow(log)).frontier);
    expect(await codeOf(() => follow(log, { seen: [mine] }))).toBe("accepted");
    expect(await codeOf(() => follow(fork, { seen: [mine] }))).toBe("REGISTRY_LOG_INCONSISTENT");
    fork.append(text("longer"));
    expect(await codeOf(() => follow(fork, { seen: [mine] }))).toBe("REGISTRY_LOG_INCONSISTENT");
    // A head that another reader saw and this log lacks means that the log withholds entries.
    const ahead = { ...mine, size: 9 };
    expect(await codeOf(() => follow(log, { seen: [ahead] }))).toBe("REGISTRY_LOG_INCONSISTENT");
  });

  test("attack 44: a frozen head is refused after 24 hours, and one of the future too", async () => {
    const log = build(1);
    const now = new Date("2026-05-05T12:00:00.000Z");
    const age = (hours: number, maxHeadAgeHours?: number) =>
      codeOf(() =>
        follow(log, {
          now,
          maxHeadAgeHours,
          readCheckpoint: async () =>
            log.checkpoint({ at: new Date(now.getTime() - hours * 3_600_000) }),
        }),
      );
    expect([await age(0), await age(23.9), await age(24.1), await age(-24.1)]).toEqual([
      "accepted",
      "accepted",
      "REGISTRY_LOG_INCONSISTENT",
      "REGISTRY_LOG_INCONSISTENT",
    ]);
    // A host behind an air gap accepts an older head, but never one from the future.
    expect([await age(71, 72), await age(73, 72), await age(-25, 72)]).toEqual([
      "accepted",
      "REGISTRY_LOG_INCONSISTENT",
      "REGISTRY_LOG_INCONSISTENT",
    ]);
  });
});
