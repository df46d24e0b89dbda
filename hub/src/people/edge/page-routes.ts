import { SondeError } from "@sonde/schemas/errors";
import { Password, PersonName } from "@sonde/schemas/people";
import type { HttpServer } from "@sonde/service";
import { type Asset, addAssets, sendPage } from "@sonde/service/web";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Hub } from "../../hub.ts";
import { readNextPath } from "../core/next-path.ts";
import { type AccountPorts, buildPassword, joinByLink, totpPurpose } from "./accounts.ts";
import { acceptForms } from "./form.ts";
import { renderJoinPage, renderRecoveryPage } from "./join-page.ts";
import { ASSETS, renderRefusal } from "./layout.ts";
import { renderLoginPage } from "./login-page.ts";
import { hasPasskeys, newMaker } from "./passkeys.ts";
import { offerTotp, repeatTotp } from "./second-factor.ts";
import type { Sessions } from "./sessions.ts";
import type { SignIn } from "./sign-in.ts";

const closed = { additionalProperties: false } as const;
const Text = (maxLength: number) => Type.String({ maxLength });
const Next = Type.Optional(Text(2_000));
const LinkSecret = Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" });

const LoginQuery = Type.Object({ next: Next }, closed);
const LoginForm = Type.Object(
  { next: Next, name: Text(100), password: Text(256), code: Text(40) },
  closed,
);
const JoinQuery = Type.Object({ link: LinkSecret }, closed);
const JoinForm = Type.Object(
  { link: LinkSecret, sealed: Text(1_000), name: PersonName, password: Password, code: Text(6) },
  closed,
);

export type PagePorts = AccountPorts & {
  sessions: Sessions;
  signIn: SignIn;
  /** Null when the hub's program has none beside it. */
  script: Asset | null;
  sso: string | null;
};

/** Adds the pages on which people get in. Only passkeys need the script. */
export function addPageRoutes({ app }: Pick<Hub, "app">, ports: PagePorts): void {
  const options = { config: { right: "anybody", errorPage: renderRefusal } as const };
  addAssets(app, [...Object.values(ASSETS), ...(ports.script === null ? [] : [ports.script])]);

  app.get("/login", { ...options, schema: { querystring: LoginQuery } }, (request, reply) =>
    showLogin(ports, request, reply, { next: request.query.next, name: "", refusal: null }),
  );
  app.get("/join", { ...options, schema: { querystring: JoinQuery } }, (request, reply) =>
    showJoin(ports, request, reply, { link: request.query.link, name: "", refusal: null }),
  );

  void app.register((encapsulated, _options, done) => {
    // The encapsulated server has the same types as the one around it.
    const scope = encapsulated as HttpServer;
    acceptForms(scope);
    scope.post("/login", { ...options, schema: { body: LoginForm } }, async (request, reply) => {
      ports.sessions.requireSameOrigin(request);
      const { next, name } = request.body;
      try {
        const person = await ports.signIn.byPassword(request, request.body);
        await ports.signIn.note(request, reply, person.id);
        await ports.sessions.begin(request, reply, person);
        return await reply.redirect(readNextPath(next), 303);
      } catch (thrown) {
        if (!(thrown instanceof SondeError) || thrown.status >= 500) throw thrown;
        ports.signIn.refuse(request, thrown);
        return await showLogin(ports, request, reply, { next, name, refusal: thrown });
      }
    });
    scope.post("/logout", options, async (request, reply) => {
      ports.sessions.requireSameOrigin(request);
      await ports.sessions.leave(request, reply);
      return await reply.redirect("/login", 303);
    });
    scope.post("/join", { ...options, schema: { body: JoinForm } }, async (request, reply) => {
      ports.sessions.requireSameOrigin(request);
      const { link, name, sealed } = request.body;
      try {
        const { personId } = newMaker(name);
        const of = { of: link, personId };
        let codes: string[] = [];
        await joinByLink(ports, { secret: link, personId, name }, async () => {
          const password = await buildPassword(ports, request.body, of);
          codes = password.recoveryCodes;
          return { kind: "password", password };
        });
        await ports.signIn.note(request, reply, personId);
        await ports.sessions.begin(request, reply, { id: personId, methods: ["password", "totp"] });
        return sendPage(reply, renderRecoveryPage(codes), "interactive");
      } catch (thrown) {
        if (!(thrown instanceof SondeError) || thrown.status >= 500) throw thrown;
        // A link that is not in force has no form to show again.
        if (thrown.code === "LINK_REFUSED") ports.signIn.refuse(request, thrown);
        return await showJoin(ports, request, reply, { link, name, sealed, refusal: thrown });
      }
    });
    done();
  });
}

async function showLogin(
  { people, script, sso }: PagePorts,
  request: FastifyRequest,
  reply: FastifyReply,
  typed: { next: string | undefined; name: string; refusal: SondeError | null },
): Promise<FastifyReply> {
  const page = renderLoginPage({
    ...typed,
    next: readNextPath(typed.next),
    hasOwner: await people.hasOwner(),
    script: hasPasskeys(request) ? script : null,
    sso,
  });
  return sendPage(reply.code(typed.refusal?.status ?? 200), page, "interactive");
}

/** @throws SondeError LINK_REFUSED */
async function showJoin(
  { links, vault, now, script }: PagePorts,
  request: FastifyRequest,
  reply: FastifyReply,
  typed: { link: string; name: string; sealed?: string; refusal: SondeError | null },
): Promise<FastifyReply> {
  const { role } = await links.find(typed.link, now());
  const purpose = totpPurpose(typed.link);
  const shown = { host: request.headers.host ?? "", now: now() };
  const kept =
    typed.sealed === undefined
      ? null
      : repeatTotp(vault, purpose, { ...shown, sealed: typed.sealed });
  const page = renderJoinPage({
    ...{ link: typed.link, name: typed.name, refusal: typed.refusal, role },
    totp: kept ?? offerTotp(vault, purpose, shown),
    script: hasPasskeys(request) ? script : null,
  });
  return sendPage(reply.code(typed.refusal?.status ?? 200), page, "interactive");
}
