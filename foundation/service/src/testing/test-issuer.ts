import { type KeyObject, createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { type IncomingHttpHeaders, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

type Keys = { privateKey: KeyObject; publicKey: KeyObject };
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Faults of a token besides its claims. */
export type TokenLies = {
  header?: object;
  key?: KeyObject;
  secret?: string;
  /** Put before the members of the claims. */
  claimsStart?: string;
};

/**
 * An OIDC issuer on loopback with generated keys. It writes tokens with Node's crypto
 * alone, so that it can also make tokens that a library would refuse to make.
 */
export class TestIssuer {
  readonly rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  readonly ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly ed = generateKeyPairSync("ed25519");
  readonly url: string;
  /** Paths at which keys were requested. */
  readonly asked: string[] = [];
  /** What it answers at other paths, by path; the body of the request is a form. */
  readonly pages = new Map<
    string,
    (form: URLSearchParams, headers: IncomingHttpHeaders) => object
  >();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request, response) => {
      const { url = "", headers } = request;
      this.asked.push(url);
      const page = this.pages.get(url);
      if (page === undefined) return this.#answer(url, response);
      void text(request).then((form) => {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(page(new URLSearchParams(form), headers)));
      });
    });
  }

  static async start(): Promise<TestIssuer> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TestIssuer(server);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Signs a token of the issuer at `path`; valid unless `claims` or `lies` break it. */
  sign(path: string, claims: object, lies: TokenLies = {}): string {
    const now = Math.floor(Date.now() / 1000);
    const header = { alg: "RS256", typ: "JWT", kid: "rsa", ...lies.header };
    const payload = {
      iss: `${this.url}${path}`,
      jti: randomUUID(),
      iat: now,
      nbf: now,
      exp: now + 300,
      ...claims,
    };
    const claimText = JSON.stringify(payload).replace("{", `{${lies.claimsStart ?? ""}`);
    const signed = `${encode(header)}.${Buffer.from(claimText).toString("base64url")}`;
    return `${signed}.${this.#signature(signed, header.alg, lies)}`;
  }

  #signature(signed: string, alg: string, { key, secret }: TokenLies): string {
    if (alg === "none") return "";
    if (secret !== undefined)
      return createHmac("sha256", secret).update(signed).digest("base64url");
    const bytes = Buffer.from(signed);
    if (alg === "EdDSA") return sign(null, bytes, this.ed.privateKey).toString("base64url");
    if (alg === "ES256") {
      const ec = { key: this.ec.privateKey, dsaEncoding: "ieee-p1363" } as const;
      return sign("sha256", bytes, ec).toString("base64url");
    }
    const hash = alg === "RS512" ? "sha512" : "sha256";
    return sign(hash, bytes, key ?? this.rsa.privateKey).toString("base64url");
  }

  #answer(url: string, response: ServerResponse): void {
    const keys = JSON.stringify({ keys: this.#publicKeys() });
    if (url.startsWith("/down")) response.writeHead(500).end();
    else if (url.startsWith("/page")) response.end("<html>");
    else if (url.startsWith("/huge")) response.end(keys + " ".repeat(1024 * 1024));
    else if (url.startsWith("/elsewhere")) response.writeHead(302, { location: "/keys" }).end();
    else if (url.startsWith("/slow")) response.write(keys.slice(0, 10));
    else response.setHeader("content-type", "application/json").end(keys);
  }

  #publicKeys(): object[] {
    const show = (kid: string, { publicKey }: Keys, alg?: string) => ({
      ...publicKey.export({ format: "jwk" }),
      ...{ kid, use: "sig" },
      ...(alg !== undefined && { alg }),
    });
    return [
      show("rsa", this.rsa, "RS256"),
      show("ec", this.ec, "ES256"),
      show("ed", this.ed, "EdDSA"),
      show("any", this.rsa),
    ];
  }
}
