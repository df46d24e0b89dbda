import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Place } from "../profile/oauth.ts";

/** What a hub answers: a status and a body, or nothing at all. */
export type Scripted = { status: number; body: object } | "hang up";

/** Something that talks as a hub does, at an address of its own with a certificate of its own. */
export type ScriptedHub = Place & {
  ca: string;
  /** Each request as `METHOD PATH`, with the members of its form. */
  asked: { path: string; form: Record<string, string> }[];
  close(): void;
};

/** @param answer is asked for each request that has a form */
export async function startScriptedHub(
  answer: (path: string, form: Record<string, string>) => Scripted,
  resource?: string,
): Promise<ScriptedHub> {
  const folder = mkdtempSync("/tmp/sonde-scripted-");
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=scripted"],
      ...["-addext", "subjectAltName=IP:127.0.0.1"],
    ],
    { stdio: "ignore" },
  );
  const ca = readFileSync(cert, "utf8");
  const asked: ScriptedHub["asked"] = [];
  const server = createServer({ key: readFileSync(key), cert: ca }, (request, response) => {
    const { url: path = "" } = request;
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => (text += part));
    request.on("end", () => {
      const form = Object.fromEntries(new URLSearchParams(text));
      asked.push({ path, form });
      const said: Scripted =
        request.method === "GET"
          ? { status: 200, body: { resource: resource ?? `${hub}/api/v1` } }
          : answer(path, form);
      if (said === "hang up") return request.socket.destroy();
      response
        .writeHead(said.status, { "content-type": "application/json" })
        .end(JSON.stringify(said.body));
      return undefined;
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const hub = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    ...{ hub, ca, asked },
    close() {
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}
