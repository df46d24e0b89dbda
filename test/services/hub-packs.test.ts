import type { TrustedSigners } from "@sonde/schemas/trust";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { addTestPublisher } from "../../registry/src/testing/test-publisher.ts";
import { TestRegistry } from "../../registry/src/testing/test-registry.ts";
import { type LyingRegistry, startLyingRegistry } from "../product/lying-registry.ts";

// What a hub passes on of its registry, and what it says itself: with a real registry, and one in
// between that lies.

let registry: TestRegistry;
let between: LyingRegistry;
let hub: TestHub;
/** What the registry was asked. */
let asked: string[] = [];

beforeAll(async () => {
  registry = await TestRegistry.start();
  between = await startLyingRegistry(registry.at(""));
  const acme = await addTestPublisher(registry, "acme");
  await acme.publish("shop", "1.0.0");
  await acme.publish("till", "1.0.0");
  await acme.publish("till", "1.1.0");
  const rival = await addTestPublisher(registry, "rival");
  await rival.publish("shop", "1.0.0");
  const quarantined = await registry.operate("PUT", "/api/v1/packs/acme/till/1.0.0/quarantine", {
    ...{ quarantined: true, reason: "It reads what it should not." },
  });
  expect(quarantined.status).toBe(200);
  const { body } = await registry.read("/api/v1/packs/acme/shop/1.0.0/details");
  const { trust } = body as { trust: TrustedSigners };
  const policy = { registry: between.url, logKey: registry.logKey, publishers: { acme: trust } };
  hub = await startHub(undefined, {}, { policy });
}, 240_000);
afterEach(() => listen());
afterAll(async () => {
  await hub?.close();
  await between?.close();
  await registry?.close();
});

/** Passes everything on, and notes what was asked. */
function listen(): void {
  asked = [];
  between.lie((path) => {
    asked.push(path);
    return null;
  });
}

/** Changes one answer of the registry from now on, with what is asked for the first time. */
function lieAbout(ends: string, change: (body: Record<string, unknown>) => unknown): void {
  between.lie((path, body) => {
    if (!path.endsWith(ends)) return null;
    const answer = change(JSON.parse(body.toString()) as Record<string, unknown>);
    return Buffer.from(typeof answer === "string" ? answer : JSON.stringify(answer));
  });
}

const ask = (path: string) => hub.ask("GET", `/registry/packs${path}`);
/** What was asked a moment ago is answered as then, so each test asks after that. */
const askAnew = async (path: string, code: string | number) => {
  await expect.poll(async () => (await ask(path)).code, { timeout: 60_000 }).toBe(code);
  return (await ask(path)).answer;
};

test("a version is told with its permissions in words, its entry in the log, and what the policy says", async () => {
  const { answer, code } = await ask("/acme/shop/1.0.0");
  expect(code).toBe(200);
  const { body } = await registry.read("/api/v1/packs/acme/shop/1.0.0/details");
  const { permissions, digest, logIndex } = body as Record<string, unknown>;
  expect(answer).toMatchObject({
    said: { permissions, digest },
    logged: { index: logIndex },
    ...{ stopped: null, refusal: null, verifiedSigner: null, wider: [] },
  });
  // What a page would have to trust is left out.
  expect(Object.keys(answer["said"] as object)).not.toContain("readmeHtml");
  expect(Object.keys(answer["said"] as object)).not.toContain("trust");
});

test("a signer that the policy does not list is told before anything is installed", async () => {
  const { answer } = await ask("/rival/shop/1.0.0");
  expect(answer["refusal"]).toMatchObject({ code: "SIGNER_UNTRUSTED" });
  const path = "/agents/web-1/packs/rival/shop";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe("SIGNER_UNTRUSTED");
});

test("what the log stops is told as such, also when the registry is silent about it", async () => {
  lieAbout("/acme/till/1.0.0/details", (body) => ({
    ...body,
    state: { yanked: null, quarantined: null },
  }));
  const { answer } = await ask("/acme/till/1.0.0");
  expect(answer["said"]).toMatchObject({ state: { quarantined: null } });
  expect(answer["stopped"]).toMatch(/quarantined it on .*: It reads what it should not\.$/);
});

test("attack 69: a registry that shows people another archive than its log has is found out", async () => {
  const other = `sha256:${"0".repeat(64)}`;
  lieAbout("/acme/till/1.1.0/details", (body) => ({ ...body, digest: other }));
  expect((await ask("/acme/till/1.1.0")).code).toBe("REGISTRY_LOG_INCONSISTENT");
});

test("an answer about another pack or version is none", async () => {
  lieAbout("/rival/shop", (body) => ({ ...body, name: "acme/shop" }));
  expect((await ask("/rival/shop")).code).toBe("REGISTRY_UNAVAILABLE");
  lieAbout("/acme/shop/1.0.0/details", (body) => ({ ...body, version: "1.0.1" }));
  await askAnew("/acme/shop/1.0.0", "REGISTRY_UNAVAILABLE");
});

test.each([
  ["too long", () => `"${"x".repeat(4 * 1024 * 1024)}"`],
  ["no JSON", () => "<html>"],
  ["of another shape", () => ({ packs: "none" })],
])("an answer that is %s is an error, and no empty list", async (what, answer) => {
  lieAbout(`q=${encodeURIComponent(what).replaceAll("%20", "+")}`, answer);
  expect((await ask(`?q=${encodeURIComponent(what)}`)).code).toBe("REGISTRY_UNAVAILABLE");
});

test("the same question is asked of the registry once, and a failure is not kept", async () => {
  listen();
  const words = "?q=asked-once";
  await Promise.all([ask(words), ask(words), ask(words)]);
  // The hub follows the log besides.
  expect(asked.filter((path) => path.includes("search"))).toEqual(["/api/v1/search?q=asked-once"]);
  lieAbout("q=fails-once", () => "<html>");
  expect((await ask("?q=fails-once")).code).toBe("REGISTRY_UNAVAILABLE");
  listen();
  expect((await ask("?q=fails-once")).answer["packs"]).toEqual([]);
});

test("a registry that is down is an error with its code, and is asked again when it is back", async () => {
  await registry.stop("SIGTERM");
  const { code, answer } = await ask("?q=while-it-is-down");
  expect([code, answer["packs"]]).toEqual(["REGISTRY_UNAVAILABLE", undefined]);
  await registry.start();
  expect((await ask("?q=while-it-is-down")).code).toBe(200);
});
