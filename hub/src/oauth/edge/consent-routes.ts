import { SondeError } from "@sonde/schemas/errors";
import type { HttpServer } from "@sonde/service";
import { sendPage } from "@sonde/service/web";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Provider } from "oidc-provider";
import { Type } from "typebox";
import { acceptForms, renderRefusal, type SignedIn } from "../../people/index.ts";
import { hostOf } from "../core/client-document.ts";
import { type Ask, readDecision } from "../core/consent.ts";
import { PATHS } from "../core/paths.ts";
import { type ConsentView, renderConsentPage } from "./consent-page.ts";
import {
  allowClient,
  buildAsk,
  buildChoice,
  buildTicket,
  type DecidePorts,
  refuseClient,
  requireTicket,
} from "./decide.ts";

type Interaction = Awaited<ReturnType<Provider["interactionDetails"]>>;
type Form = Readonly<Record<string, string>>;

const PATH = `${PATHS.consent}/:uid`;
const params = Type.Object({ uid: Type.String({ pattern: "^[A-Za-z0-9_-]{1,100}$" }) });

/** Adds the page on which a person decides about a client's request. */
export function addConsentRoutes(
  app: HttpServer,
  ports: DecidePorts & { open: () => Promise<Provider> },
): void {
  const config = { right: "anybody", errorPage: renderRefusal } as const;

  void app.register((encapsulated, _options, done) => {
    // The encapsulated server has the same types as the one around it.
    const scope = encapsulated as HttpServer;
    acceptForms(scope);
    scope.get(PATH, { config, schema: { params } }, async (request, reply) => {
      const { uid } = request.params;
      const interaction = await findRequest(request, reply, uid);
      const person = await ports.people.signedIn(request);
      if (person === null) return await signIn(reply, uid);
      const { ask } = await buildAsk(ports, person, readAsked(interaction));
      return await show(reply, person, { interaction, ask }, null);
    });
    scope.post(PATH, { config, schema: { params } }, async (request, reply) => {
      const { uid } = request.params;
      const form = (request.body ?? {}) as Form;
      const interaction = await findRequest(request, reply, uid);
      const person = await ports.people.signedIn(request);
      if (person === null) return await signIn(reply, uid);
      requireTicket(ports, request, person, { ticket: form["ticket"], of: uid });
      const { ask } = await buildAsk(ports, person, readAsked(interaction));
      // A second click on the button changes nothing.
      if (interaction.result !== undefined) return await reply.redirect(interaction.returnTo, 303);
      try {
        return await decide(request, reply, { ask, person, form });
      } catch (thrown) {
        if (!(thrown instanceof SondeError) || thrown.code !== "BAD_REQUEST") throw thrown;
        return await show(reply, person, { interaction, ask }, thrown);
      }
    });
    done();
  });

  async function decide(
    { raw }: FastifyRequest,
    reply: FastifyReply,
    { ask, person, form }: { ask: Ask; person: SignedIn; form: Form },
  ): Promise<FastifyReply> {
    const provider = await ports.open();
    const narrowing = readDecision(form, ask);
    if (narrowing === null) await refuseClient(ports, person, ask);
    const result =
      narrowing === null
        ? { error: "access_denied", error_description: "the person refused the request" }
        : {
            login: { accountId: person.id, remember: false },
            consent: { grantId: await allowClient(ports, person, ask, narrowing) },
          };
    const returnTo = await provider.interactionResult(raw, reply.raw, result, {
      mergeWithLastSubmission: false,
    });
    return await reply.header("cache-control", "no-store").redirect(returnTo, 303);
  }

  async function show(
    reply: FastifyReply,
    person: SignedIn,
    { interaction, ask }: { interaction: Interaction; ask: Ask },
    refusal: SondeError | null,
  ): Promise<FastifyReply> {
    const view: ConsentView = {
      ...(await buildChoice(ports, person, ask)),
      ...{ ask, personName: person.name, userCode: null, refusal },
      action: `${PATHS.consent}/${interaction.uid}`,
      ticket: buildTicket(ports.secret, interaction.uid, person),
    };
    const page = renderConsentPage(view);
    const target = readTarget(interaction);
    return sendPage(reply.code(refusal?.status ?? 200), page, "interactive", target);
  }

  /** The request of this browser. Its cookie is what binds the two together. */
  async function findRequest(
    { raw }: FastifyRequest,
    reply: FastifyReply,
    uid: string,
  ): Promise<Interaction> {
    const provider = await ports.open();
    try {
      const interaction = await provider.interactionDetails(raw, reply.raw);
      if (interaction.uid === uid) return interaction;
    } catch (thrown) {
      // By its name: the library is loaded by the first client only.
      if (!(thrown instanceof Error) || thrown.name !== "SessionNotFound") throw thrown;
    }
    throw new SondeError("NOT_FOUND", "expected a request of this browser, got one that is over");
  }
}

async function signIn(reply: FastifyReply, uid: string): Promise<FastifyReply> {
  const next = encodeURIComponent(`${PATHS.consent}/${uid}`);
  return await reply.header("cache-control", "no-store").redirect(`/login?next=${next}`, 303);
}

function readAsked({ params: asked }: Interaction) {
  const { client_id: clientId, redirect_uri: redirect, resource, scope } = asked;
  return { clientId: String(clientId), resource, scope, host: hostOf(String(redirect)) };
}

/** Origin of the client's redirect address: browsers follow a form's answer to nowhere else. */
function readTarget({ params: asked }: Interaction): string {
  return new URL(String(asked["redirect_uri"])).origin;
}
