import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase } from "@sonde/database";
import { type TestDatabase, startTestDatabase } from "@sonde/database/testing";
import type { ErrorBody } from "@sonde/schemas/errors";
import type { AddedPublisher } from "@sonde/schemas/registry";
import { hangUp } from "@sonde/service/testing";
import { type SampleKey, buildAdmitProgram, signSample } from "@sonde/trust/testing";
import { migrations } from "../edge/store/migrations.ts";

const NOBODY = 65534;
const MAIN = join(import.meta.dirname, "../main.ts");

export type Answer = { status: number; body: unknown };
/** The members of an OpenAPI document that tests read. */
export type OpenApi = {
  paths: Record<
    string,
    Record<string, { "x-sonde-right": unknown; responses: Record<string, object> }>
  >;
};
export type Upload = {
  archive: Uint8Array;
  bundle: string;
  /** `PUBLISHER/PACK/VERSION` */
  path: string;
  /** null sends no token. */
  bearer: string | null;
};

/** Returns the error code of a refusal. */
export const codeOf = ({ body }: Answer): string => (body as ErrorBody).error.code;

/**
 * A registry as a real process over a real PostgreSQL of its own. Under root both run as nobody.
 */
export class TestRegistry {
  static readonly asRoot = process.getuid?.() === 0;
  static readonly account: SpawnOptions = TestRegistry.asRoot ? { uid: NOBODY, gid: NOBODY } : {};

  readonly root = mkdtempSync(join(tmpdir(), "sonde-registry-"));
  readonly dataDir = join(this.root, "data");
  readonly configFile = join(this.root, "config.json");
  readonly admitPath = join(this.root, "programs/admit.cjs");
  readonly database: TestDatabase;
  readonly #settings: object;
  #documents: Promise<{ http: OpenApi; operator: OpenApi }> | undefined;
  child: ChildProcess | undefined;
  port = 0;
  /** The key that signs its log, in the form of a policy. */
  logKey = "";

  private constructor(database: TestDatabase, settings: object) {
    this.database = database;
    this.#settings = settings;
  }

  /** @param settings members of the configuration that differ from the defaults */
  static async start(settings: object = {}): Promise<TestRegistry> {
    const registry = new TestRegistry(await startTestDatabase(), settings);
    mkdirSync(registry.dataDir);
    registry.#giveAway(registry.root, registry.dataDir);
    chmodSync(registry.root, 0o755);
    await buildAdmitProgram(registry.admitPath);
    registry.writeConfig(registry.configFile);
    await registry.start();
    return registry;
  }

  /** Starts the process again on its port. */
  async start(): Promise<void> {
    const { child, out } = this.#run([this.configFile], TestRegistry.account);
    this.child = child;
    await new Promise<void>((done, fail) => {
      child.stdout?.once("data", () => done());
      child.once("close", () => fail(new Error(out())));
    });
    const line = out().split("\n")[0] ?? "";
    const ready = JSON.parse(line) as { ready?: boolean; port: number; logKey: string };
    if (ready.ready !== true) throw new Error(out());
    this.port = ready.port;
    this.logKey = ready.logKey;
  }

  /**
   * Sends SIGHUP after members of its configuration became others.
   *
   * @returns the line that it logs about it
   */
  async reload(changes: object): Promise<string> {
    this.writeConfig(this.configFile, changes);
    if (this.child === undefined) throw new Error("the registry does not run");
    return await hangUp(this.child);
  }

  /** @returns the exit code; null when a signal ended it */
  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
    const closed = new Promise<number | null>((done) => child.on("close", done));
    child.kill(signal);
    return await closed;
  }

  /** Returns the process ids of its admit programs. */
  checkers(): number[] {
    const { pid } = this.child ?? {};
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children.split(" ").filter(Boolean).map(Number);
  }

  async close(): Promise<void> {
    await this.stop("SIGKILL");
    await this.database.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Runs the registry's program with these arguments until it ends. */
  async runToEnd(
    args: string[],
    options: SpawnOptions = TestRegistry.account,
  ): Promise<{ code: number | null; out: string }> {
    const { child, out } = this.#run(args, options);
    const code = await new Promise<number | null>((done) => child.on("close", done));
    return { code, out: out() };
  }

  writeConfig(path: string, changes: object = {}): void {
    const config = {
      dataDir: this.dataDir,
      databaseUrl: this.database.url,
      http: { host: "127.0.0.1", port: 0, behindProxy: false },
      admitPath: this.admitPath,
      maxCapability: "observe",
      // The limits have tests of their own; here many cases come from one address.
      rateLimits: { readsPerMinute: 1e6, writesPerMinute: 1e6, refusalsPerMinute: 1e6 },
      supervised: true,
      ...this.#settings,
      ...changes,
    };
    writeFileSync(path, JSON.stringify(config), { mode: 0o644 });
  }

  /** @returns the publisher's new token */
  async addPublisher(name: string, key: SampleKey): Promise<string> {
    const answer = await this.operate("POST", "/publishers", { name, publicKey: key.publicKeyPem });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer));
    return (answer.body as AddedPublisher).token;
  }

  /** Opens the registry's database, to read it as a thief would or to change a time. */
  async inDatabase<T>(work: (sql: Database["sql"]) => Promise<T>): Promise<T> {
    const opened = await openDatabase({
      dataDir: "/nonexistent",
      url: this.database.url,
      schema: "registry",
      migrations,
      onLost: () => undefined,
      maxConnections: 1,
    });
    try {
      return await work(opened.sql);
    } finally {
      await opened.close();
    }
  }

  at(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async read(path: string): Promise<Answer> {
    return await this.send("GET", path, null);
  }

  /** Reads the OpenAPI documents of the HTTP listener and of the operator's socket. */
  async readDocuments(): Promise<{ http: OpenApi; operator: OpenApi }> {
    const path = "/api/v1/openapi.json";
    const http = (await (await fetch(this.at(path))).json()) as OpenApi;
    return { http, operator: (await this.operate("GET", path)).body as OpenApi };
  }

  /** Sends one JSON request over HTTP. */
  async send(method: string, path: string, bearer: string | null, body?: unknown): Promise<Answer> {
    const response = await fetch(this.at(path), {
      method,
      headers: {
        ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const isJson = /^application\/(problem\+)?json/.test(
      response.headers.get("content-type") ?? "",
    );
    const text = await response.text();
    const answer = {
      status: response.status,
      body: isJson && text !== "" ? JSON.parse(text) : null,
    };
    return await this.#demandDocumented("http", method, path, answer);
  }

  /** Sends one JSON request to the operator's socket. */
  async operate(method: string, path: string, body?: unknown): Promise<Answer> {
    const socketPath = join(this.dataDir, "run/operator.sock");
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const answer = await new Promise<Answer>((done, fail) => {
      const call = request({ socketPath, path, method, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", () =>
          done({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }),
        );
      });
      call.on("error", fail);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
    return await this.#demandDocumented("operator", method, path, answer);
  }

  async publish(upload: Upload, body: string | FormData = uploadForm(upload)): Promise<Answer> {
    const { bearer, path } = upload;
    const response = await fetch(this.at(`/api/v1/packs/${path}`), {
      method: "PUT",
      body,
      headers: bearer === null ? {} : { authorization: `Bearer ${bearer}` },
    });
    const answer = { status: response.status, body: await response.json() };
    return await this.#demandDocumented("http", "PUT", `/api/v1/packs/${path}`, answer);
  }

  /** Checks in every test that a route refuses only with codes that its document names. */
  async #demandDocumented(
    server: "http" | "operator",
    method: string,
    path: string,
    answer: Answer,
  ): Promise<Answer> {
    if (answer.status < 400 || answer.body === null) return answer;
    this.#documents ??= this.readDocuments();
    const { paths } = (await this.#documents)[server];
    const [asked = ""] = path.split("?");
    // As in the router, a fixed path comes before one with parameters.
    const route = Object.keys(paths)
      .toSorted((a, b) => a.split("{").length - b.split("{").length)
      .find((known) => new RegExp(`^${known.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`).test(asked));
    const operation = paths[route ?? ""]?.[method.toLowerCase()];
    const code = codeOf(answer);
    const documented = JSON.stringify(operation?.responses[answer.status] ?? null);
    if (operation !== undefined && !documented.includes(`"${code}"`)) {
      throw new Error(`expected ${method} ${route} to document ${answer.status} ${code}`);
    }
    return answer;
  }

  #run(args: string[], options: SpawnOptions): { child: ChildProcess; out: () => string } {
    const node = [process.execPath, "--conditions=sonde:source"];
    const child = spawn("setpriv", ["--no-new-privs", "--", ...node, MAIN, ...args], {
      ...options,
      cwd: this.root,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let out = "";
    child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (out += chunk.toString()));
    return { child, out: () => out };
  }

  #giveAway(...paths: string[]): void {
    if (!TestRegistry.asRoot) return;
    for (const path of paths) chownSync(path, NOBODY, NOBODY);
  }
}

/** Builds the multipart body of a publication. */
export function uploadForm({ archive, bundle }: Pick<Upload, "archive" | "bundle">): FormData {
  const data = new FormData();
  data.append("bundle", new Blob([bundle]), "bundle.json");
  data.append("archive", new Blob([Uint8Array.from(archive)]), "archive.tgz");
  return data;
}

/** Signs a sample archive for an upload. */
export function signUpload(
  archive: Uint8Array,
  path: string,
  key: SampleKey,
  bearer: string,
): Upload {
  return { archive, path, bearer, bundle: signSample(archive, key) };
}
