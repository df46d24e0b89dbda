import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { BrowserContextOptions, Page } from "playwright-core";
import { startBrowser } from "../../registry/src/testing/browser.ts";

// The console of a hub that runs, in Chromium, as somebody who is signed in.

export type OpenedConsole = {
  page: Page;
  /** What the page's policy refused, and what the browser's console said of errors. */
  errors: string[];
  /** Requests to another origin than the hub. */
  foreign: string[];
  /** Windows that a script opened: none of ours does. */
  dialogs: string[];
  /** Opens a page of the console and waits for its title. */
  go(path: string, title: string): Promise<void>;
  /** Violations of axe-core's rules, as `rule: element`. */
  findViolations(): Promise<string[]>;
  /** True when something on the page is wider than the window. */
  isTooWide(): Promise<boolean>;
  close(): Promise<void>;
};

export type ConsoleHost = {
  /** @param who the cookie of a person, or a key that the browser sends with each request */
  open(
    hubUrl: string,
    who: { cookie?: string; key?: string },
    options?: BrowserContextOptions,
  ): Promise<OpenedConsole>;
  close(): Promise<void>;
};

/** What a page may never have: a fault, something its policy refused, a request elsewhere, a dialog. */
export const faultsOf = ({
  errors,
  foreign,
  dialogs,
}: Pick<OpenedConsole, "errors" | "foreign" | "dialogs">): string[] => [
  ...errors,
  ...foreign,
  ...dialogs,
];

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Runs in the page before its own script, whatever its policy is. */
const WATCH = `addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) =>
  console.error("policy: " + violatedDirective + " " + blockedURI + " " + sourceFile));`;

type Violation = { id: string; nodes: { html: string }[] };

/** Starts Chromium. */
export async function startConsoleHost(): Promise<ConsoleHost> {
  const browser = await startBrowser();
  return {
    async open(hubUrl, { cookie, key }, options = {}) {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 800 },
        ...options,
        ...(key !== undefined && { extraHTTPHeaders: { authorization: `Bearer ${key}` } }),
      });
      const cookies = (cookie ?? "").split("; ").flatMap((one) => {
        const [name = "", value = ""] = one.split("=");
        return name === "" ? [] : [{ name, value, url: hubUrl }];
      });
      await context.addCookies(cookies);
      await context.addInitScript(WATCH);
      const page = await context.newPage();
      const errors: string[] = [];
      const foreign: string[] = [];
      const dialogs: string[] = [];
      page.on("dialog", (dialog) => {
        dialogs.push(dialog.message());
        void dialog.dismiss();
      });
      page.on("console", (message) => {
        // What a refusal of the hub says is on the page.
        const isRefusal = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !isRefusal) errors.push(message.text());
      });
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("request", (request) => {
        if (!request.url().startsWith(hubUrl)) foreign.push(request.url());
      });
      return {
        ...{ page, errors, foreign, dialogs },
        async go(path, title) {
          await page.goto(`${hubUrl}/console${path}`);
          await page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();
        },
        async findViolations() {
          // By the debugger, which the page's policy does not hold back.
          await page.evaluate(axe);
          const found = await page.evaluate<{ violations: Violation[] }>("axe.run(document)");
          return found.violations.flatMap(({ id, nodes }) =>
            nodes.map(({ html }) => `${id}: ${html}`),
          );
        },
        isTooWide: () =>
          page.evaluate<boolean>(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth",
          ),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}
