import { SondeError } from "@sonde/schemas/errors";
import type { HttpServer } from "@sonde/service";
import { sendPage } from "@sonde/service/web";
import type { FastifyReply } from "fastify";
import { acceptForms, renderRefusal, type SignedIn } from "../../people/index.ts";
import { type Ask, readDecision } from "../core/consent.ts";
import { normalizeUserCode, showUserCode } from "../core/user-code.ts";
import { PATHS } from "../core/paths.ts";
import { renderAnsweredPage, renderCodePage, renderConsentPage } from "./consent-page.ts";
import {
  allowClient,
  buildAsk,
  buildChoice,
  buildTicket,
  type DecidePorts,
  refuseClient,
  requireTicket,
} from "./decide.ts";
import type { ItemStore } from "./item-store.ts";

type Form = Readonly<Record<string, string>>;
const DEVICE = "DeviceCode";
/** Guesses of one person within ten minutes. A code has 34 bits and lives for ten minutes. */
const MAX_GUESSES = 10;
const WINDOW_MS = 10 * 60_000;
const MAX_PEOPLE = 10_000;

/**
 * Adds the page on which a signed-in person types the code of a terminal (RFC 8628, 3.3). The code
 * is always typed: a link that has it in it is how people are tricked (5.4).
 */
export function addDeviceRoutes(app: HttpServer, ports: DecidePorts & { items: ItemStore }): void {
  const config = { right: "anybody", errorPage: renderRefusal } as const;
  const guesses = new Map<string, { count: number; until: number }>();

  void app.register((encapsulated, _options, done) => {
    // The encapsulated server has the same types as the one around it.
    const scope = encapsulated as HttpServer;
    acceptForms(scope);
    scope.get(PATHS.verification, { config }, async (request, reply) => {
      const person = await ports.people.signedIn(request);
      return person === null ? await signIn(reply) : askForCode(reply, person, null);
    });
    scope.post(PATHS.verification, { config }, async (request, reply) => {
      const person = await ports.people.signedIn(request);
      if (person === null) return await signIn(reply);
      const form = (request.body ?? {}) as Form;
      requireTicket(ports, request, person, { ticket: form["ticket"], of: DEVICE });
      try {
        takeGuess(person);
        const userCode = normalizeUserCode(form["user_code"]);
        const ask = await findAsk(person, userCode);
        return await show(reply, person, { ask, userCode, refusal: null });
      } catch (thrown) {
        if (!(thrown instanceof SondeError) || thrown.status >= 500) throw thrown;
        return askForCode(reply, person, thrown);
      }
    });
    scope.post(`${PATHS.verification}/answer`, { config }, async (request, reply) => {
      const person = await ports.people.signedIn(request);
      if (person === null) return await signIn(reply);
      const form = (request.body ?? {}) as Form;
      const userCode = normalizeUserCode(form["user_code"]);
      requireTicket(ports, request, person, {
        ticket: form["ticket"],
        of: `${DEVICE} ${userCode}`,
      });
      const ask = await findAsk(person, userCode);
      try {
        return await decide(reply, person, { ask, userCode, form });
      } catch (thrown) {
        if (!(thrown instanceof SondeError) || thrown.code !== "BAD_REQUEST") throw thrown;
        return await show(reply, person, { ask, userCode, refusal: thrown });
      }
    });
    done();
  });

  async function decide(
    reply: FastifyReply,
    person: SignedIn,
    { ask, userCode, form }: { ask: Ask; userCode: string; form: Form },
  ): Promise<FastifyReply> {
    const narrowing = readDecision(form, ask);
    if (narrowing === null) {
      await refuseClient(ports, person, ask);
      const error = "access_denied";
      const refused = { error, errorDescription: "the person refused the request" };
      await ports.items.answerUserCode(DEVICE, userCode, refused);
      return sendPage(reply, renderAnsweredPage(false), "interactive");
    }
    const grantId = await allowClient(ports, person, ask, narrowing);
    await ports.items.answerUserCode(DEVICE, userCode, {
      ...{ grantId, accountId: person.id, resource: ask.resource },
      scope: narrowing.scopes.join(" "),
    });
    return sendPage(reply, renderAnsweredPage(true), "interactive");
  }

  /** @throws SondeError NOT_FOUND, the same for a code that never was and one that is over */
  async function findAsk(person: SignedIn, userCode: string): Promise<Ask> {
    const found = await ports.items.findByUserCode(DEVICE, userCode);
    const asked = (found?.payload["params"] ?? {}) as Record<string, unknown>;
    if (found === null || found.payload["accountId"] !== undefined) {
      throw new SondeError("NOT_FOUND", "expected the code that your terminal shows now");
    }
    const { client_id: clientId, resource, scope } = asked;
    const about = { clientId: String(clientId), resource, scope, host: null };
    return (await buildAsk(ports, person, about)).ask;
  }

  function askForCode(
    reply: FastifyReply,
    person: SignedIn,
    refusal: SondeError | null,
  ): FastifyReply {
    const page = renderCodePage({ ticket: buildTicket(ports.secret, DEVICE, person), refusal });
    return sendPage(reply.code(refusal?.status ?? 200), page, "interactive");
  }

  async function show(
    reply: FastifyReply,
    person: SignedIn,
    { ask, userCode, refusal }: { ask: Ask; userCode: string; refusal: SondeError | null },
  ): Promise<FastifyReply> {
    const page = renderConsentPage({
      ...(await buildChoice(ports, person, ask)),
      ...{ ask, personName: person.name, userCode: showUserCode(userCode), refusal },
      action: `${PATHS.verification}/answer`,
      ticket: buildTicket(ports.secret, `${DEVICE} ${userCode}`, person),
    });
    return sendPage(reply.code(refusal?.status ?? 200), page, "interactive");
  }

  /** @throws SondeError TOO_MANY_ATTEMPTS */
  function takeGuess({ id }: SignedIn): void {
    const at = ports.now().getTime();
    const known = guesses.get(id);
    const current =
      known !== undefined && known.until > at ? known : { count: 0, until: at + WINDOW_MS };
    if (current.count >= MAX_GUESSES) {
      throw new SondeError(
        "TOO_MANY_ATTEMPTS",
        `${MAX_GUESSES} codes were tried within ten minutes`,
      );
    }
    if (guesses.size >= MAX_PEOPLE) guesses.clear();
    guesses.set(id, { ...current, count: current.count + 1 });
  }
}

async function signIn(reply: FastifyReply): Promise<FastifyReply> {
  const next = encodeURIComponent(PATHS.verification);
  return await reply.header("cache-control", "no-store").redirect(`/login?next=${next}`, 303);
}
