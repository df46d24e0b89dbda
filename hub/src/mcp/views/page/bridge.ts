import { RELEASE } from "@sonde/schemas/release";

// Speaks with the client around the picture: the few messages of MCP Apps (SEP-1865, 2026-01-26) that
// a picture needs which asks for nothing. The SDK for it would be more than ten times this page.

const PROTOCOL = "2026-01-26";
const METHOD_NOT_FOUND = -32_601;
const INITIALIZE_ID = 1;

export type Fields = Record<string, unknown>;

/** What the client says, as it came: nothing of it is checked but that it is an object. */
export type Listener = {
  /** The answer of the tool. */
  onResult(params: Fields): void;
  /** The call was cancelled. */
  onCancelled(): void;
  /** The client's theme, or part of it, is another. */
  onContext(context: Fields): void;
};

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Introduces the picture to the client, and tells the listener what comes. Only the window around the
 * picture is heard; any other that has a reference to it could make it show something.
 *
 * @param body whose size the client is told, at each change
 */
export function openBridge(name: string, body: HTMLElement, listener: Listener): void {
  const client = window.parent;
  // The address of the client is unknown, and nothing that is sent is secret: a name and a size.
  const send = (message: Fields) => client.postMessage({ jsonrpc: "2.0", ...message }, "*");

  function answer(id: unknown, method: unknown): void {
    const known = method === "ping" || method === "ui/resource-teardown";
    const error = { code: METHOD_NOT_FOUND, message: "expected ping or ui/resource-teardown" };
    send(known ? { id, result: {} } : { id, error });
  }

  function hear(method: unknown, params: Fields): void {
    if (method === "ui/notifications/tool-result") listener.onResult(params);
    if (method === "ui/notifications/tool-cancelled") listener.onCancelled();
    if (method === "ui/notifications/host-context-changed") listener.onContext(params);
  }

  function begin(result: unknown): void {
    const context = isFields(result) ? result["hostContext"] : undefined;
    if (isFields(context)) listener.onContext(context);
    send({ method: "ui/notifications/initialized", params: {} });
    reportSize(body, (size) => send({ method: "ui/notifications/size-changed", params: size }));
  }

  window.addEventListener("message", ({ source, data }: MessageEvent<unknown>) => {
    if (source !== client || !isFields(data) || data["jsonrpc"] !== "2.0") return;
    const { id, method, params, result } = data;
    if (method === undefined) {
      if (id === INITIALIZE_ID && "result" in data) begin(result);
    } else if (id !== undefined) answer(id, method);
    else hear(method, isFields(params) ? params : {});
  });
  send({
    id: INITIALIZE_ID,
    method: "ui/initialize",
    params: {
      appInfo: { name, version: RELEASE },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
      protocolVersion: PROTOCOL,
    },
  });
}

/** Tells the size of the content now and after each change. */
function reportSize(body: HTMLElement, tell: (size: Fields) => void): void {
  let told = "";
  const observer = new ResizeObserver(() => {
    const size = {
      width: document.documentElement.clientWidth,
      height: Math.ceil(body.getBoundingClientRect().height),
    };
    const now = `${size.width} ${size.height}`;
    if (now === told) return;
    told = now;
    tell(size);
  });
  observer.observe(body);
}
