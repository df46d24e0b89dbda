// Runs in a page: shows a picture with the client's half of the official SDK.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

/**
 * @param {string} html the picture
 * @param {object} result of the tool
 * @returns {Promise<{ sizes: object[], app: object, ended: boolean }>} what the picture said
 */
globalThis.show = async (html, result) => {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.id = "view";
  document.body.append(frame);
  const view = frame.contentWindow;
  const options = { hostContext: { theme: "dark" } };
  const bridge = new AppBridge(null, { name: "official", version: "1" }, {}, options);
  const sizes = [];
  const sized = new Promise((done) => {
    bridge.onsizechange = (size) => done(sizes.push(size));
  });
  const initialized = new Promise((done) => {
    bridge.oninitialized = () => done();
  });
  await bridge.connect(new PostMessageTransport(view, view));
  frame.srcdoc = html;
  await initialized;
  await bridge.sendToolInput({ arguments: {} });
  await bridge.sendToolResult(result);
  await bridge.request({ method: "ping" });
  await sized;
  await bridge.teardownResource({});
  return { sizes, app: bridge.getAppVersion(), ended: true };
};
