import { once } from "node:events";
import { createServer as createHttps } from "node:https";
import { createServer as createPlain, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTls, type TlsOptions } from "node:tls";
import { createAuthority, type KeyedCertificate, openAuthority } from "@sonde/trust/ca";

/** An authority with a certificate for `localhost`. */
export async function issueForLocalhost(): Promise<KeyedCertificate & { ca: string }> {
  const files = await createAuthority("an authority of a receiver", new Date());
  const authority = await openAuthority(files, () => new Date());
  return { ...(await authority.issueServerCertificate(["localhost"])), ca: files.certificate };
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Keeps the connections of a server, to end them all. */
function keepSockets(server: Server, event: "connection" | "secureConnection"): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on(event, (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  });
  return sockets;
}

async function endServer(server: Server, sockets: Set<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, "close");
}

export type SyslogMessage = {
  priority: number;
  at: string;
  host: string;
  event: string;
  data: Map<string, string>;
  record: Record<string, unknown>;
  bytes: number;
};

/** A receiver of syslog over TLS that takes what RFC 5424 and 5425 say, and nothing else. */
export type SyslogReceiver = {
  port: number;
  messages: SyslogMessage[];
  /** What was no message; its connection ends. */
  faults: string[];
  connections(): number;
  /** Reads nothing from now on, or again. */
  hang(isHanging: boolean): void;
  /** Ends each connection. */
  cut(): void;
  close(): Promise<void>;
};

export async function startSyslogReceiver(
  { certificate, privateKey }: KeyedCertificate,
  more: TlsOptions = {},
  at = 0,
): Promise<SyslogReceiver> {
  const server = createTls({ cert: certificate, key: privateKey, ...more });
  const sockets = keepSockets(server, "secureConnection");
  const connected = keepSockets(server, "connection");
  server.on("tlsClientError", () => undefined);
  const messages: SyslogMessage[] = [];
  const faults: string[] = [];
  let isHanging = false;
  let connections = 0;
  server.on("secureConnection", (socket) => {
    connections += 1;
    let rest = Buffer.alloc(0);
    if (isHanging) return;
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const space = rest.indexOf(" ");
        if (space === -1) return;
        const length = rest.subarray(0, space).toString("latin1");
        if (!/^[1-9][0-9]{0,6}$/.test(length)) {
          faults.push(length);
          socket.destroy();
          return;
        }
        const end = space + 1 + Number(length);
        if (rest.length < end) return;
        const frame = rest.subarray(space + 1, end);
        rest = rest.subarray(end);
        try {
          messages.push(parseSyslog(frame));
        } catch (thrown) {
          faults.push(String(thrown));
          socket.destroy();
        }
      }
    });
  });
  const port = await listen(server, at);
  return {
    ...{ port, messages, faults, connections: () => connections },
    hang(now) {
      isHanging = now;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close: () => endServer(server, connected),
  };
}

const PRINTABLE = "[!-~]";
const HEADER = new RegExp(
  `^<([1-9][0-9]{0,2})>1 (\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z) (${PRINTABLE}{1,255}) sonde-hub - (${PRINTABLE}{1,32}) \\[sonde@32473 `,
);

function parseSyslog(frame: Buffer): SyslogMessage {
  const text = frame.toString("latin1");
  if (!/^[ -~]*$/.test(text)) throw new Error(`expected printable ASCII: ${text}`);
  const header = HEADER.exec(text);
  if (header === null) throw new Error(`expected a header: ${text}`);
  const data = new Map<string, string>();
  let from = header[0].length;
  for (;;) {
    const found = /^([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"([ \]])/.exec(
      text.slice(from),
    );
    if (found === null) throw new Error(`expected a parameter: ${text.slice(from)}`);
    data.set(found[1] ?? "", (found[2] ?? "").replaceAll(/\\(.)/g, "$1"));
    from += found[0].length;
    if (found[3] === "]") break;
  }
  if (text[from] !== " ") throw new Error(`expected a message: ${text.slice(from)}`);
  return {
    ...{ priority: Number(header[1]), at: header[2] ?? "", host: header[3] ?? "" },
    ...{ event: header[4] ?? "", data, bytes: frame.length },
    record: JSON.parse(text.slice(from + 1)) as Record<string, unknown>,
  };
}

export type HttpRequest = { headers: IncomingMessage["headers"]; url: string; body: string };

/** A receiver over HTTP, with TLS unless it has no certificate. */
export type HttpReceiver = {
  port: number;
  requests: HttpRequest[];
  /** What it does with a request; by default it answers 204. */
  answer: (request: HttpRequest, response: ServerResponse) => void;
  close(): Promise<void>;
};

export async function startHttpReceiver(
  certificate: KeyedCertificate | null,
  at = 0,
): Promise<HttpReceiver> {
  const requests: HttpRequest[] = [];
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      const got = { headers: request.headers, url: request.url ?? "", body };
      requests.push(got);
      receiver.answer(got, response);
    });
    request.on("error", () => undefined);
  };
  const server =
    certificate === null
      ? createPlain(handle)
      : createHttps({ cert: certificate.certificate, key: certificate.privateKey }, handle);
  const sockets = keepSockets(server, certificate === null ? "connection" : "secureConnection");
  const receiver: HttpReceiver = {
    port: await listen(server, at),
    requests,
    answer: (_request, response) => void response.writeHead(204).end(),
    close: () => endServer(server, sockets),
  };
  return receiver;
}
