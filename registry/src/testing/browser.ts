import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PROGRAM = "/usr/bin/chromium";

/** Starts Debian's Chromium headless, without background network traffic. */
export async function startBrowser(): Promise<Browser> {
  if (!existsSync(PROGRAM)) throw new Error(`expected ${PROGRAM}; apt-get install chromium`);
  return await chromium.launch({
    executablePath: PROGRAM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
