import {
  generateKeyPairSync,
  type KeyObject,
  type KeyPairKeyObjectResult,
  randomUUID,
  sign,
  X509Certificate,
} from "node:crypto";
import {
  type CheckpointBody,
  type DsseEnvelope,
  KEY_SET_TYPE,
  type KeySet,
  type LogHead,
  OWN_PROTOCOL,
  type StatedHead,
} from "@sonde/schemas/wire";
import { type Authority, createAuthority, openAuthority } from "@sonde/trust/ca";
import { createKeyPair, createSigningKey, dssePae, keyIdOf, signHead } from "@sonde/trust/envelope";
import { hubLogKey } from "@sonde/trust/hub-log";
import { proveConsistency, rootOf, signCheckpoint } from "@sonde/trust/log";
import { createSampleLog } from "@sonde/trust/testing";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HubView, NOTHING_SEEN, type SavedHubView, type StatedLog } from "./hub-view.ts";

const HOUR_MS = 3_600_000;
const hubId = randomUUID();
const key = () => generateKeyPairSync("ed25519").publicKey;
const enrolledKey = key();
const keys = [key(), key(), key()] as const;
let ca: Authority;
let saved: SavedHubView;
let view: HubView;

beforeAll(async () => {
  ca = await newCa();
});
beforeEach(() => {
  saved = NOTHING_SEEN;
  view = open();
});

async function newCa(): Promise<Authority> {
  return openAuthority(await createAuthority(hubId, new Date()), () => new Date());
}

function open(): HubView {
  const root = new X509Certificate(ca.certificate).publicKey;
  const save = (next: SavedHubView) => (saved = next);
  return new HubView(
    { hubId, root, enrolledKey, now: Date.now, save, record: () => undefined },
    saved,
  );
}

function setOf(version: number, change: Partial<KeySet> = {}): KeySet {
  const publicKey = keys[version % 3]?.export({ type: "spki", format: "pem" }).toString() ?? "";
  return {
    ...{ hubId, epoch: 0, version, expiresAt: new Date(Date.now() + HOUR_MS).toISOString() },
    commandKeys: [{ publicKey, since: new Date().toISOString(), until: null }],
    ...change,
  };
}

const taken = (envelope: DsseEnvelope): string => {
  try {
    view.takeKeySet(envelope);
    return "taken";
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
};

test("the key of the enrolment counts until the first key set, and then that of the newest set", async () => {
  expect([view.place(), keyIdOf(view.commandKey())]).toEqual(["0.0", keyIdOf(enrolledKey)]);
  for (const version of [1, 2]) {
    expect(taken(await ca.signKeySet(setOf(version)))).toBe("taken");
    expect([view.place(), keyIdOf(view.commandKey())]).toEqual([
      `0.${version}`,
      keyIdOf(keys[version] ?? enrolledKey),
    ]);
  }
});

test("attack 5: an older key set is refused, also after a restart of the agent", async () => {
  const older = await ca.signKeySet(setOf(1));
  expect(taken(older)).toBe("taken");
  expect(taken(older)).toBe("taken");
  expect(taken(await ca.signKeySet(setOf(2)))).toBe("taken");
  expect(taken(older)).toBe("HUB_ROLLED_BACK");
  view = open();
  expect(taken(older)).toBe("HUB_ROLLED_BACK");
  expect(keyIdOf(view.commandKey())).toBe(keyIdOf(keys[2]));
});

test("attack 67: another key set at the place of a known one is refused", async () => {
  expect(taken(await ca.signKeySet(setOf(3)))).toBe("taken");
  const other = setOf(3, { commandKeys: setOf(1).commandKeys });
  expect(taken(await ca.signKeySet(other))).toBe("HUB_ROLLED_BACK");
});

test("attack 67: a hub of an earlier epoch is refused, whatever its version", async () => {
  expect(taken(await ca.signKeySet(setOf(9)))).toBe("taken");
  expect(taken(await ca.signKeySet(setOf(4, { epoch: 1000 })))).toBe("taken");
  expect(taken(await ca.signKeySet(setOf(10)))).toBe("HUB_ROLLED_BACK");
});

test("an expired key set is refused, and one that was taken over ends", async () => {
  const expiresAt = new Date(Date.now() - 1).toISOString();
  expect(taken(await ca.signKeySet(setOf(1, { expiresAt })))).toBe("HUB_UNTRUSTED");
  saved = { ...NOTHING_SEEN, keySet: await ca.signKeySet(setOf(1, { expiresAt })) };
  view = open();
  expect(() => view.commandKey()).toThrow(/expected a key set that is in force/);
});

/** The envelope with another signature over its payload. */
const signAnew = (envelope: DsseEnvelope, type: string, keyid: string): DsseEnvelope => {
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const pae = dssePae(type, Buffer.from(envelope.payload, "base64"));
  const sig = sign("sha256", pae, { key: other, dsaEncoding: "ieee-p1363" }).toString("base64");
  return { ...envelope, payloadType: type, signatures: [{ keyid, sig }] };
};

test("attack 5: a key set that another CA signed is refused, and so is one for another hub", async () => {
  const other = await newCa();
  expect(taken(await other.signKeySet(setOf(1)))).toBe("HUB_UNTRUSTED");
  const own = await ca.signKeySet(setOf(1));
  const [{ keyid } = { keyid: "" }] = own.signatures;
  expect(taken(signAnew(own, KEY_SET_TYPE, keyid))).toBe("HUB_UNTRUSTED");
  expect(taken({ ...own, payloadType: "application/vnd.sonde.hub-to-agent.v1+json" })).toBe(
    "HUB_UNTRUSTED",
  );
  expect(taken(await ca.signKeySet(setOf(1, { hubId: randomUUID() })))).toBe("HUB_UNTRUSTED");
  expect(view.place()).toBe("0.0");
});

test("attack 7: a key set with a weak key is refused", async () => {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const commandKeys = [{ publicKey: pem, since: new Date().toISOString(), until: null }];
  expect(taken(await ca.signKeySet(setOf(1, { commandKeys })))).toBe("CONFIG_INVALID");
});

const HASH = (letter: string) => `sha256:${letter.repeat(64)}`;
/** @param letter of the hash of every entry that the hub has */
const headTaken = (size: number, letter = "a"): string => {
  const seen = view.seenHead()?.size ?? 0;
  const same = seen > size ? null : { size: seen, hash: HASH(letter) };
  return stated({ auditHead: { size, hash: HASH(letter) }, seenHead: same });
};
const SESSION = "s".repeat(43);
const stated = (log: StatedLog): string => {
  try {
    view.takeHead(log, SESSION);
    return "taken";
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
};

test("attack 67: a hub whose log is shorter than it was is refused, also after a restart of the agent", async () => {
  expect(taken(await ca.signKeySet(setOf(1)))).toBe("taken");
  expect([headTaken(10), headTaken(12), headTaken(12)]).toEqual(Array(3).fill("taken"));
  expect(headTaken(11)).toBe("HUB_ROLLED_BACK");
  view = open();
  expect(headTaken(11)).toBe("HUB_ROLLED_BACK");
  expect(headTaken(13)).toBe("taken");
});

test("attack 67: a hub whose log went on from an older state is refused, however long it is by now", async () => {
  expect(taken(await ca.signKeySet(setOf(1)))).toBe("taken");
  expect(headTaken(12)).toBe("taken");
  expect([headTaken(12, "b"), headTaken(5000, "b")]).toEqual(Array(2).fill("HUB_ROLLED_BACK"));
});

test("attack 67: a restored hub has a later epoch and a shorter log, and fences the one before it", async () => {
  const before = await ca.signKeySet(setOf(5));
  expect([taken(before), headTaken(100)]).toEqual(["taken", "taken"]);
  expect(taken(await ca.signKeySet(setOf(6)))).toBe("taken");
  expect(headTaken(99)).toBe("HUB_ROLLED_BACK");
  expect(taken(await ca.signKeySet(setOf(4, { epoch: 1000 })))).toBe("taken");
  expect(headTaken(40)).toBe("taken");
  expect(taken(before)).toBe("HUB_ROLLED_BACK");
});

test("a person on the host can accept a hub that went back", async () => {
  const older = await ca.signKeySet(setOf(1));
  expect([taken(await ca.signKeySet(setOf(2))), headTaken(12)]).toEqual(["taken", "taken"]);
  expect(taken(older)).toBe("HUB_ROLLED_BACK");
  view.forget();
  expect([taken(older), headTaken(3)]).toEqual(["taken", "taken"]);
  view = open();
  expect([view.place(), view.seenHead()]).toEqual(["0.1", { size: 3, hash: HASH("a") }]);
});

const since = new Date().toISOString();
const named = (publicKey: KeyObject) => ({
  ...{ publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(), since },
  until: null,
});

test.each(["ed25519", "rsa-sha256"] as const)(
  "identity rule 10: a head of the log is taken from the audit key alone (%s)",
  async (algorithm) => {
    const [command, audit, before] = [1, 2, 3].map(() => createKeyPair(algorithm));
    if (command === undefined || audit === undefined || before === undefined) throw new Error();
    const commandKeys = [named(command.publicKey)];
    const auditKeys = [named(audit.publicKey), named(before.publicKey)];
    expect(taken(await ca.signKeySet(setOf(1, { commandKeys, auditKeys })))).toBe("taken");
    const head = { size: 12, hash: HASH("a") };
    const honest: StatedHead = { hubId, sessionId: SESSION, head, seen: null };
    /** States that head, with a signature over what may be something else. */
    const say = (
      by: typeof audit,
      signed: Partial<StatedHead> = {},
      seenHead: LogHead | null = null,
    ) =>
      stated({
        ...{ auditHead: head, seenHead },
        signedHead: signHead(
          { ...honest, ...signed },
          createSigningKey(by.privateKey, by.publicKey),
        ),
      });
    expect(stated({ auditHead: head, seenHead: null })).toBe("HUB_UNTRUSTED");
    expect(say(command)).toBe("HUB_UNTRUSTED");
    expect(say(audit, { head: { size: 13, hash: HASH("a") } })).toBe("HUB_UNTRUSTED");
    expect(say(audit, { head: { size: 12, hash: HASH("b") } })).toBe("HUB_UNTRUSTED");
    expect(say(audit, { sessionId: "t".repeat(43) })).toBe("HUB_UNTRUSTED");
    expect(say(audit, { hubId: randomUUID() })).toBe("HUB_UNTRUSTED");
    expect(say(audit, {}, head)).toBe("HUB_UNTRUSTED");
    expect(view.seenHead()).toBe(null);
    expect(say(audit)).toBe("taken");
    expect(saved.signedHead?.signatures[0]?.keyid).toBe(keyIdOf(audit.publicKey));
    // Of a hub on the same database that has not yet noticed the rotation.
    expect(say(before, { seen: head }, head)).toBe("taken");
  },
);

test("identity rule 10: another message of the audit key is no head of the log", async () => {
  const [command, audit] = [createKeyPair("ed25519"), createKeyPair("ed25519")];
  const auditKeys = [named(audit.publicKey)];
  const set = setOf(1, { commandKeys: [named(command.publicKey)], auditKeys });
  expect(taken(await ca.signKeySet(set))).toBe("taken");
  const head = { size: 12, hash: HASH("a") };
  const signer = createSigningKey(audit.privateKey, audit.publicKey);
  const signed = signHead({ hubId, sessionId: SESSION, head, seen: null }, signer);
  const payloadType = "application/vnd.sonde.hub-to-agent.v1+json";
  const sig = signer.sign(dssePae(payloadType, Buffer.from(signed.payload, "base64")));
  const signatures = [{ keyid: signer.keyId, sig: sig.toString("base64") }];
  const other = { ...signed, payloadType, signatures };
  expect(stated({ auditHead: head, seenHead: null, signedHead: other })).toBe("HUB_UNTRUSTED");
  expect(stated({ auditHead: head, seenHead: null, signedHead: signed })).toBe("taken");
});

test("identity rule 10: a key set in which one key has two uses is refused", async () => {
  const { commandKeys } = setOf(1);
  expect(taken(await ca.signKeySet(setOf(1, { auditKeys: commandKeys })))).toBe("HUB_UNTRUSTED");
  expect(view.place()).toBe("0.0");
});

test("a hub of before the audit key states its head without a signature", async () => {
  expect(taken(await ca.signKeySet(setOf(1)))).toBe("taken");
  expect(headTaken(12)).toBe("taken");
  expect(taken(await ca.signKeySet(setOf(2, { auditKeys: [named(key())] })))).toBe("taken");
  expect(headTaken(13)).toBe("HUB_UNTRUSTED");
});

/** A hub's log with checkpoints by this key, of which a new one tells a reader of `from` entries. */
function createHubLog(audit: KeyPairKeyObjectResult, log = createSampleLog()) {
  const signer = createSigningKey(audit.privateKey, audit.publicKey);
  return {
    log,
    append(count: number): void {
      for (let index = 0; index < count; index++) log.append(Buffer.from(randomUUID()));
    },
    async tell(from: number, hub = hubId): Promise<CheckpointBody> {
      const tree = { size: log.frontier.size, root: rootOf(log.frontier) };
      const note = signCheckpoint(tree, hubLogKey(hub, audit.publicKey), signer, new Date());
      const growth = from > tree.size ? [] : await proveConsistency(from, tree.size, log.readTile);
      return { note, growth: growth.map((hash) => hash.toString("base64")) };
    },
  };
}

describe("checkpoints", () => {
  const audit = createKeyPair("ed25519");
  const head = { size: 12, hash: HASH("a") };
  const signer = createSigningKey(audit.privateKey, audit.publicKey);
  const took = (body: CheckpointBody): string => {
    try {
      view.takeCheckpoint(body);
      return "taken";
    } catch (thrown) {
      return (thrown as { code?: string }).code ?? String(thrown);
    }
  };
  /** Welcomes the agent, as a hub that knows checkpoints. */
  const welcome = (checkpoint?: CheckpointBody, features = OWN_PROTOCOL.features): string => {
    const seen = view.seenHead();
    return stated({
      ...{ auditHead: head, seenHead: seen, protocol: { ...OWN_PROTOCOL, features } },
      signedHead: signHead({ hubId, sessionId: SESSION, head, seen }, signer),
      ...(checkpoint !== undefined && { checkpoint }),
    });
  };
  beforeEach(async () => {
    expect(taken(await ca.signKeySet(setOf(1, { auditKeys: [named(audit.publicKey)] })))).toBe(
      "taken",
    );
  });

  test("a log that grows is taken over, in a welcome and later, and stays after a restart", async () => {
    const hub = createHubLog(audit);
    hub.append(5);
    expect(welcome()).toBe("taken");
    expect(view.seenCheckpoint()).toBe(null);
    expect(welcome(await hub.tell(0))).toBe("taken");
    expect(view.seenCheckpoint()?.size).toBe(5);
    hub.append(8);
    expect(took(await hub.tell(5))).toBe("taken");
    expect(took(await hub.tell(13))).toBe("taken");
    view = open();
    expect(view.seenCheckpoint()).toEqual({
      ...{ size: 13, root: rootOf(hub.log.frontier).toString("base64") },
    });
    hub.append(1);
    expect(welcome(await hub.tell(13))).toBe("taken");
    expect(saved.auditHead).toEqual(head);
  });

  test("attack 59: a log that was cut, rewritten or forked is refused", async () => {
    const hub = createHubLog(audit);
    hub.append(9);
    const past = createHubLog(audit, hub.log.fork());
    hub.append(4);
    expect(took(await hub.tell(0))).toBe("taken");
    // Cut, and cut and appended to.
    expect(took(await past.tell(13))).toBe("HUB_ROLLED_BACK");
    past.append(4);
    expect(took(await past.tell(13))).toBe("HUB_ROLLED_BACK");
    past.append(20);
    expect(took(await past.tell(13))).toBe("HUB_ROLLED_BACK");
    expect(welcome(await past.tell(13))).toBe("HUB_ROLLED_BACK");
    // A proof of another log, and none.
    const honest = await hub.tell(13);
    hub.append(1);
    expect(took({ ...(await hub.tell(13)), growth: honest.growth })).toBe("HUB_ROLLED_BACK");
    expect(view.seenCheckpoint()?.size).toBe(13);
    expect(took(await hub.tell(13))).toBe("taken");
  });

  test("identity rule 10: a checkpoint of another key or another hub is refused", async () => {
    const other = createHubLog(createKeyPair("ed25519"));
    other.append(3);
    expect(took(await other.tell(0))).toBe("HUB_UNTRUSTED");
    const hub = createHubLog(audit);
    hub.append(3);
    expect(took(await hub.tell(0, randomUUID()))).toBe("HUB_UNTRUSTED");
    expect(took({ note: "a note", growth: [] })).toBe("HUB_UNTRUSTED");
    expect(view.seenCheckpoint()).toBe(null);
  });

  test("a hub that has lost its checkpoints is refused, and one of an earlier release is not", async () => {
    const hub = createHubLog(audit);
    hub.append(7);
    expect(welcome(await hub.tell(0))).toBe("taken");
    expect(welcome()).toBe("HUB_ROLLED_BACK");
    expect(welcome(undefined, [])).toBe("taken");
    // What was seen counts again.
    expect(view.seenCheckpoint()?.size).toBe(7);
    const other = createHubLog(audit);
    other.append(8);
    expect(welcome(await other.tell(7))).toBe("HUB_ROLLED_BACK");
  });

  test("attack 67: a restored hub begins anew, and so does one that a person accepts", async () => {
    const [hub, restored] = [createHubLog(audit), createHubLog(audit)];
    hub.append(7);
    restored.append(2);
    expect(took(await hub.tell(0))).toBe("taken");
    const auditKeys = [named(audit.publicKey)];
    expect(taken(await ca.signKeySet(setOf(2, { epoch: 1000, auditKeys })))).toBe("taken");
    expect(view.seenCheckpoint()).toBe(null);
    expect(took(await restored.tell(0))).toBe("taken");
    view.forget();
    expect(view.seenCheckpoint()).toBe(null);
  });
});
