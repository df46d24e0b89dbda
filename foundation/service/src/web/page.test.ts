import { SondeError } from "@sonde/schemas/errors";
import { afterEach, expect, test } from "vitest";
import { createHttpServer } from "../http-server.ts";
import type { HttpServer } from "../server.ts";
import { serve } from "../testing/serve.ts";
import { html } from "./html.ts";
import { addAssets, buildAsset, renderDocument, sendPage } from "./page.ts";

const style = buildAsset("style", "css", "text/css; charset=utf-8", "p { color: red }");
const icon = buildAsset("icon", "svg", "image/svg+xml", "<svg/>");
let app: HttpServer;
afterEach(() => app.close());

async function servePages(): Promise<string> {
  app = createHttpServer({ report: () => undefined });
  addAssets(app, [style, icon]);
  const page = (content: string): string =>
    renderDocument({
      title: "<b>",
      style,
      icon,
      header: html`<p>above</p>`,
      content: html`<p>${content}</p>`,
      footer: html`<p>below</p>`,
    });
  const config = {
    right: "anybody",
    errorPage: ({ code, message }: SondeError) => page(`${code}: ${message}`),
  } as const;
  app.get("/", { config }, (_request, reply) => sendPage(reply, page("here")));
  app.get("/gone", { config }, () => {
    throw new SondeError("NOT_FOUND", "expected <i>, got nothing");
  });
  return await serve(app);
}

test("a page and a refusal have the security headers", async () => {
  const url = await servePages();
  for (const [path, status] of [
    ["/", 200],
    ["/gone", 404],
  ] as const) {
    const { headers, status: got } = await fetch(`${url}${path}`);
    expect(got).toBe(status);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("content-security-policy")).toBe(
      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("set-cookie")).toBeNull();
  }
});

test("a refusal's message is escaped on its page, and no cache keeps it", async () => {
  const response = await fetch(`${await servePages()}/gone`);
  expect(response.headers.get("cache-control")).toBe("no-store");
  const text = await response.text();
  expect(text).toContain("<p>NOT_FOUND: expected &lt;i&gt;, got nothing</p>");
  expect(text).toContain("<title>&lt;b&gt;</title>");
});

test("a page's assets are served under the hash of their bytes and cached forever", async () => {
  const url = await servePages();
  const page = await (await fetch(`${url}/`)).text();
  const paths = [...page.matchAll(/href="(\/assets\/[^"]+)"/g)].map(([, path]) => path);
  expect(paths).toEqual([icon.path, style.path]);
  const asset = await fetch(`${url}${style.path}`);
  expect(await asset.text()).toBe("p { color: red }");
  expect(asset.headers.get("content-type")).toBe("text/css; charset=utf-8");
  expect(asset.headers.get("cache-control")).toContain("immutable");
  expect(buildAsset("style", "css", "text/css", "p { color: blue }").path).not.toBe(style.path);
});
