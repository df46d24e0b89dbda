import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { BrowserContext, Frame, Page } from "playwright-core";
import { startBrowser } from "../../registry/src/testing/browser.ts";

// A client that shows the pictures of MCP Apps (SEP-1865, 2026-01-26) as a web page: the picture is in
// a frame, in a sandbox of another origin, under the policy that its metadata allows.

type Json = Record<string, unknown>;

/** A picture as `resources/read` gives it. */
export type ViewResource = { text: string; _meta?: Json };

export type ShowOptions = {
  /** Whether the client has a policy of its own. Without it only that of the document holds. */
  policy?: boolean;
  context?: Json;
  width?: number;
};

export type Shown = {
  page: Page;
  /** The picture's frame. */
  frame: Frame;
  /** Sends a message to the picture, as the client does. */
  send(message: object): Promise<void>;
  /** Gives the answer of the tool, and waits until the picture has drawn it. */
  answer(result: unknown): Promise<void>;
  /** Waits until the picture has taken all that was sent: it answers in order. */
  reach(): Promise<void>;
  /** What the picture sent, oldest first. */
  heard(): Promise<Json[]>;
  /** The height that the picture's frame has on the page. */
  height(): Promise<number>;
  /** What the page and its frames asked for, as Chromium saw it, beside the sandbox itself. */
  requests: string[];
  /** What the console said of errors, refusals by a policy included. */
  errors: string[];
};

export type ViewHost = {
  show(view: ViewResource, options?: ShowOptions): Promise<Shown>;
  /** The address where a request is noticed. */
  url: string;
  /** Paths that were asked for there, beside those of the client itself. */
  asked: string[];
  close(): Promise<void>;
};

const INITIALIZE = "ui/initialize";
const READY = "ui/notifications/sandbox-proxy-ready";

/** The client's page: the part of the protocol that a picture speaks with. */
const CLIENT = `<!doctype html><meta charset="utf-8"><title>client</title>
<style>body{margin:0}iframe{border:0;display:block;width:100%}</style><iframe id="sandbox"></iframe>
<script>
const frame = document.getElementById("sandbox");
window.heard = [];
let shown;
window.send = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
window.show = (given) => {
  shown = given;
  frame.src = given.sandbox;
};
window.addEventListener("message", ({ source, data }) => {
  if (source !== frame.contentWindow) return;
  if (data.method === "${READY}") {
    send({ method: "ui/notifications/sandbox-resource-ready", params: { html: shown.html } });
    return;
  }
  heard.push(data);
  if (data.method === "${INITIALIZE}") {
    const result = { protocolVersion: "2026-01-26", hostInfo: { name: "client", version: "1" },
      hostCapabilities: {}, hostContext: shown.context };
    send({ id: data.id, result });
  }
  if (data.method === "ui/notifications/size-changed") frame.style.height = data.params.height + "px";
});
</script>`;

/** Passes messages on, and makes the frame of the picture. */
const SANDBOX = `<!doctype html><meta charset="utf-8"><title>sandbox</title>
<style>html,body{margin:0;height:100%;overflow:hidden}iframe{border:0;display:block;width:100%;height:100%}</style>
<script>
let view = null;
window.addEventListener("message", ({ source, data }) => {
  if (source === parent && data?.method === "ui/notifications/sandbox-resource-ready") {
    view = document.createElement("iframe");
    view.setAttribute("sandbox", "allow-scripts");
    view.srcdoc = data.params.html;
    document.body.append(view);
  } else if (source === parent) view?.contentWindow.postMessage(data, "*");
  else if (view !== null && source === view.contentWindow) parent.postMessage(data, "*");
});
window.addEventListener("load", () => parent.postMessage({ jsonrpc: "2.0", method: "${READY}", params: {} }, "*"));
</script>`;

const listOf = (csp: Json | undefined, name: string): string => {
  const domains = csp?.[name];
  return Array.isArray(domains) ? domains.join(" ") : "";
};

/** The policy that the specification makes of a picture's metadata. */
export function writePolicy({ _meta: meta }: ViewResource): string {
  const { csp } = (meta?.["ui"] ?? {}) as { csp?: Json };
  const [resources, connect] = [listOf(csp, "resourceDomains"), listOf(csp, "connectDomains")];
  return [
    "default-src 'none'",
    `script-src 'self' 'unsafe-inline' ${resources}`,
    `style-src 'self' 'unsafe-inline' ${resources}`,
    `connect-src ${connect === "" ? "'none'" : connect}`,
    `img-src 'self' data: ${resources}`,
    `font-src 'self' ${resources}`,
    `media-src 'self' data: ${resources}`,
    // The picture itself is in a frame of the sandbox.
    `frame-src ${listOf(csp, "frameDomains") || "'self'"}`,
    "object-src 'none'",
    `base-uri ${listOf(csp, "baseUriDomains") || "'self'"}`,
  ].join("; ");
}

/** Starts Chromium and the client's two origins on loopback. */
export async function startViewHost(): Promise<ViewHost> {
  const asked: string[] = [];
  const server = createServer(({ url = "/" }, response) => {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const page = pathname === "/client" ? CLIENT : pathname === "/sandbox" ? SANDBOX : null;
    if (page === null) {
      if (pathname !== "/favicon.ico") asked.push(url);
      response.writeHead(204, { "access-control-allow-origin": "*" }).end();
      return;
    }
    const policy = searchParams.get("policy");
    const headers = { "content-type": "text/html", "cache-control": "no-store" };
    response.writeHead(200, {
      ...headers,
      ...(policy !== null && { "content-security-policy": policy }),
    });
    response.end(page);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const browser = await startBrowser();
  const contexts: BrowserContext[] = [];
  return {
    url: `http://localhost:${port}`,
    asked,
    async show(view, { policy = true, context = {}, width = 900 } = {}) {
      const opened = await browser.newContext({ viewport: { width, height: 700 } });
      contexts.push(opened);
      const page = await opened.newPage();
      const errors: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error") errors.push(message.text());
      });
      page.on("pageerror", (error) => errors.push(error.message));
      await page.goto(`http://127.0.0.1:${port}/client`);
      const requests: string[] = [];
      page.on("request", (request) => {
        if (!request.url().startsWith(`http://localhost:${port}/sandbox`))
          requests.push(request.url());
      });
      const query = policy ? `?policy=${encodeURIComponent(writePolicy(view))}` : "";
      const sandbox = `http://localhost:${port}/sandbox${query}`;
      await page.evaluate(`show(${JSON.stringify({ html: view.text, context, sandbox })})`);
      const heard = () => page.evaluate<Json[]>("heard");
      const seesInitialized = `heard.some(({ method }) => method === "ui/notifications/initialized")`;
      await page.waitForFunction(seesInitialized);
      const frame = page
        .frames()
        .find((one) => one.parentFrame()?.parentFrame() === page.mainFrame());
      if (frame === undefined) throw new Error("expected the frame of the picture, got none");
      let pings = 0;
      const reach = async () => {
        pings += 1;
        const id = `ping ${pings}`;
        await send({ id, method: "ping" });
        await page.waitForFunction(
          (one) =>
            (globalThis as unknown as { heard: Json[] }).heard.some((each) => each["id"] === one),
          id,
        );
      };
      const send: Shown["send"] = (message) => page.evaluate(`send(${JSON.stringify(message)})`);
      return {
        ...{ page, frame, send, heard, requests, errors },
        async answer(result) {
          await send({ method: "ui/notifications/tool-input", params: { arguments: {} } });
          await send({ method: "ui/notifications/tool-result", params: result });
          await reach();
        },
        reach,
        height: async () => (await page.locator("#sandbox").boundingBox())?.height ?? 0,
      };
    },
    async close() {
      for (const opened of contexts) await opened.close();
      await browser.close();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
