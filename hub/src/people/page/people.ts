import { startAuthentication, startRegistration } from "@simplewebauthn/browser";

// What the pages need a script for: the browser's passkeys. All else works without.

type Options<Start extends (asked: { optionsJSON: never }) => unknown> =
  Parameters<Start>[0]["optionsJSON"];

const alertPlace = document.querySelector<HTMLElement>("#alert");

/** Asks the hub, with the cookie of this browser. @throws Error in words for the person */
async function ask(path: string, body: object): Promise<unknown> {
  const response = await fetch(`/api/v1${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as {
    error?: { code: string; message: string; hint: string };
  };
  if (answer.error === undefined) return answer;
  const { code, message, hint } = answer.error;
  throw new Error(`${code}: ${message}. ${hint}`);
}

/** Shows a part of the page that works here, and runs its work at its button. */
function offer(id: string, work: (part: HTMLElement) => Promise<void>): void {
  const part = document.querySelector<HTMLElement>(`#${id}`);
  const button = part?.querySelector("button");
  if (part === null || button === null || button === undefined) return;
  part.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    if (alertPlace !== null) alertPlace.textContent = "";
    work(part)
      .catch((thrown: unknown) => {
        if (alertPlace !== null) alertPlace.textContent = describe(thrown);
      })
      .finally(() => (button.disabled = false));
  });
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "That did not work.";
  // What browsers say when a person declines, or no authenticator fits, tells nobody anything.
  const declined = thrown.name === "NotAllowedError" || thrown.name === "AbortError";
  return declined ? "No passkey was used. Try again, or use a password." : thrown.message;
}

if ("PublicKeyCredential" in window) {
  offer("passkey-sign-in", async ({ dataset }) => {
    const optionsJSON = await ask("/sign-in/passkey/options", {});
    const answer = await startAuthentication({
      optionsJSON: optionsJSON as Options<typeof startAuthentication>,
    });
    await ask("/sign-in/passkey", { answer });
    location.assign(dataset["next"] ?? "/");
  });

  offer("passkey-join", async (part) => {
    const name = part.querySelector("input");
    if (name === null || !name.reportValidity()) return;
    const link = part.dataset["link"];
    const optionsJSON = await ask("/join/passkey/options", { link, name: name.value });
    const answer = await startRegistration({
      optionsJSON: optionsJSON as Options<typeof startRegistration>,
    });
    await ask("/join/passkey", { link, answer });
    location.assign("/");
  });
}
