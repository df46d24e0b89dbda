import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClientDocuments } from "./edge/client-documents.ts";
import { fetchDocument } from "./edge/fetch-document.ts";

const OWN = ["127.0.0.0/8", "::1/128", "169.254.0.0/16"];
const folder = mkdtempSync(join(tmpdir(), "sonde-documents-"));
const trusted = getCACertificates("default");
let server: Server;
let origin: string;
let asked = 0;
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost"],
  ]);
  const certificate = readFileSync(cert, "utf8");
  setDefaultCACertificates([...trusted, certificate]);
  server = createServer({ key: readFileSync(key), cert: certificate }, (request, response) => {
    asked += 1;
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  setDefaultCACertificates(trusted);
  rmSync(folder, { recursive: true });
});

const reply =
  (status: number, headers: Record<string, string>, body: string) =>
  (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
  };
const refusal = expect.objectContaining({ code: "READ_FAILED" }) as Error;

test("attack 31: nobody on a network of the hub's own is asked, unless the configuration names it", async () => {
  answer = reply(200, { "cache-control": "max-age=60" }, '{"a":1}');
  asked = 0;
  await expect(fetchDocument(`${origin}/x`, [])).rejects.toEqual(refusal);
  await expect(fetchDocument(`${origin}/x`, ["10.0.0.0/8"])).rejects.toEqual(refusal);
  expect(asked).toBe(0);
  expect(await fetchDocument(`${origin}/x`, OWN)).toEqual({ document: { a: 1 }, maxAgeMs: 60_000 });
});

test.each([
  "https://169.254.169.254/latest/meta-data",
  "https://[::ffff:169.254.169.254]/x",
  "https://[fe80::1]/x",
  "https://[fd00:ec2::254]/x",
  "https://0.0.0.0/x",
  "https://10.1.2.3/x",
  "http://localhost/x",
])("attack 31: %s is never asked, also where networks are named", async (address) => {
  await expect(fetchDocument(address, OWN)).rejects.toEqual(refusal);
});

test.each<[string, typeof answer]>([
  ["a redirect", (_request, response) => response.writeHead(302, { location: "/x" }).end()],
  ["another status", reply(404, {}, "{}")],
  ["more than 5 KB", reply(200, {}, JSON.stringify({ a: "x".repeat(10_000_000) }))],
  ["no JSON", reply(200, {}, "<html>")],
  ["another type", reply(200, { "content-type": "text/html" }, "{}")],
  ["a broken connection", (_request, response) => response.socket?.destroy()],
])("attack 31: %s is refused", async (_what, behaviour) => {
  answer = behaviour;
  await expect(fetchDocument(`${origin}/x`, OWN)).rejects.toEqual(refusal);
});

test("a document is fetched once for many requests, and the last one serves while its server is down", async () => {
  const minute = 60_000;
  let now = 0;
  const host = new URL(origin).host;
  const rules = { documentHosts: [host], documentNetworks: OWN };
  const documents = createClientDocuments(
    () => rules,
    () => now,
  );
  answer = reply(200, {}, '{"a":1}');
  asked = 0;
  const found = await Promise.all([1, 2, 3].map(() => documents.find(`${origin}/client`)));
  expect(found).toEqual([{ a: 1 }, { a: 1 }, { a: 1 }]);
  await documents.find(`${origin}/client`);
  expect(asked).toBe(1);
  answer = reply(500, {}, "");
  now += 6 * minute;
  expect(await documents.find(`${origin}/client`)).toEqual({ a: 1 });
  expect(asked).toBe(2);
  // After a failure nobody is asked again at once.
  await documents.find(`${origin}/client`);
  expect(asked).toBe(2);
  now += 25 * 60 * minute;
  await expect(documents.find(`${origin}/client`)).rejects.toEqual(refusal);
});

test("attack 31: an address that the rules do not name is not asked", async () => {
  asked = 0;
  const documents = createClientDocuments(
    () => ({ documentNetworks: OWN }),
    () => 0,
  );
  expect(await documents.find(`${origin}/client`)).toBe(null);
  expect(asked).toBe(0);
});
