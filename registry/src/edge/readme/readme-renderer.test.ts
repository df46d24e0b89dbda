import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createReadmeRenderer } from "./readme-renderer.ts";
import { renderMarkdown } from "./render-markdown.ts";

const folder = mkdtempSync(join(tmpdir(), "sonde-readme-"));
afterAll(() => rmSync(folder, { recursive: true }));

const program = join(import.meta.dirname, "../../render-readme.ts");

test("a README is rendered in a thread", async () => {
  const renderer = createReadmeRenderer(program);
  const pages = await Promise.all(["# a", "*b*"].map((text) => renderer.render(text)));
  expect(pages).toEqual(["<h3>a</h3>\n", "<p><em>b</em></p>\n"]);
  await renderer.close();
}, 30_000);

test("a README that takes too long is shown as source text, and the event loop goes on", async () => {
  const hanging = join(folder, "hanging.mjs");
  writeFileSync(
    hanging,
    "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { for (;;); }); parentPort.postMessage('ready');",
  );
  const renderer = createReadmeRenderer(hanging);
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 20);
  expect(await renderer.render("<b>&")).toBe("<pre>&lt;b&gt;&amp;</pre>");
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(5);
  await renderer.close();
}, 30_000);

test("without its program rendering fails as INTERNAL", async () => {
  const renderer = createReadmeRenderer(join(folder, "missing.mjs"));
  await expect(renderer.render("a")).rejects.toMatchObject({ code: "INTERNAL" });
  await renderer.close();
});

test("a thread that dies costs only its README", async () => {
  const dying = join(folder, "dying.mjs");
  writeFileSync(
    dying,
    "import { parentPort } from 'node:worker_threads'; parentPort.on('message', (t) => { if (t === 'die') throw new Error('x'); parentPort.postMessage(t); }); parentPort.postMessage('ready');",
  );
  const renderer = createReadmeRenderer(dying);
  expect(await renderer.render("die")).toBe("<pre>die</pre>");
  expect(await renderer.render("live")).toBe("live");
  await renderer.close();
}, 30_000);

test.each([
  ["a script", "<script>alert(1)</script>"],
  ["a handler", "<img src=x onerror=alert(1)>"],
  ["a script link", "[x](javascript:alert(1))"],
  [
    "a script link in disguise",
    "[x](java&#115;cript:alert(1)) [y](\tJaVaScRiPt:alert(1)) [z](vbscript:x)",
  ],
  ["a data link", "[x](data:text/html;base64,PHNjcmlwdD4=)"],
  ["a picture", "![x](https://evil.example/p.png)"],
  ["a style", "<style>*{display:none}</style><p style='position:fixed'>"],
  ["a refresh", '<meta http-equiv="refresh" content="0;url=https://evil.example">'],
  ["a drawing", "<svg onload=alert(1)><use href='data:x'/></svg>"],
  ["a form", "<form action=https://evil.example><input name=p></form>"],
  ["a link to itself", "[x](/packs/a/b) [y](//evil.example/) [z](#top)"],
])("%s in a README does nothing", (_what, text) => {
  const page = renderMarkdown(text);
  expect(page).not.toMatch(/<(script|img|style|meta|svg|form|input|use)/i);
  expect(page).not.toMatch(/<[^>]*(href="(?!https?:|mailto:)|on\w+=|style=|src=)/i);
});

test("reference links and automatic links have outward targets only", () => {
  const page = renderMarkdown(
    '<https://e.org/?a=1&b=2> [t][r]\n\n[r]: https://e.org/ "onmouseover=x"\n',
  );
  expect(page).toBe(
    '<p><a href="https://e.org/?a=1&amp;b=2" rel="nofollow ugc noopener noreferrer">https://e.org/?a=1&amp;b=2</a> <a href="https://e.org/" rel="nofollow ugc noopener noreferrer">t</a></p>\n',
  );
});

test.each([
  [
    "an address that is used many times",
    `[a]: https://e.org/${"u".repeat(20_000)}\n\n${"[a] ".repeat(2_000)}\n`,
  ],
  ["many short links", `[a]: https://e.org/\n\n${"[a]".repeat(80_000)}\n`],
])("a README that would be a page of many megabytes is shown as source text: %s", (_what, text) => {
  expect(renderMarkdown(text)).toBe(`<pre>${text}</pre>`);
});

test("a README without anything to show is an empty page", () => {
  expect(renderMarkdown("\n")).toBe("");
});
