import { SondeError } from "@sonde/schemas/errors";
import {
  AnswerOfPasskey,
  AnswerToJoin,
  JoinWithPasskey,
  PasskeyOptions,
  SignedInPerson,
} from "@sonde/schemas/people";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Hub } from "../../hub.ts";
import { type AccountPorts, joinByLink } from "./accounts.ts";
import { newMaker, type Passkeys } from "./passkeys.ts";
import type { Sessions } from "./sessions.ts";
import type { SignIn } from "./sign-in.ts";

export type PasskeyPorts = AccountPorts & {
  passkeys: Passkeys;
  sessions: Sessions;
  signIn: SignIn;
};

/** Adds the routes that the pages' script asks: to sign in, and to make an account, with a passkey. */
export function addPasskeyRoutes({ app }: Pick<Hub, "app">, ports: PasskeyPorts): void {
  const { passkeys, sessions, signIn, links, people, now } = ports;
  const enter = async (request: FastifyRequest, reply: FastifyReply, id: string) => {
    await signIn.note(request, reply, id);
    await sessions.begin(request, reply, { id, methods: ["passkey"] });
    const { name, role } = await people.read(id);
    return { id, name, role };
  };
  /** Refusals are counted for the audit log. */
  const counted = async <T>(request: FastifyRequest, work: () => Promise<T>): Promise<T> => {
    sessions.requireSameOrigin(request);
    try {
      return await work();
    } catch (thrown) {
      if (thrown instanceof SondeError && thrown.status === 401) signIn.refuse(request, thrown);
      throw thrown;
    }
  };

  app.post(
    "/api/v1/sign-in/passkey/options",
    {
      config: { right: "anybody", errors: ["TOO_MANY_ATTEMPTS"] },
      schema: { summary: "Begins a sign-in with a passkey", response: { 200: PasskeyOptions } },
    },
    (request, reply) => counted(request, () => passkeys.offerSignIn(request, reply)),
  );
  app.post(
    "/api/v1/sign-in/passkey",
    {
      config: { right: "anybody", errors: ["SIGN_IN_REFUSED", "TOO_MANY_ATTEMPTS"] },
      schema: {
        summary: "Signs in with a passkey",
        body: AnswerOfPasskey,
        response: { 200: SignedInPerson },
      },
    },
    (request, reply) =>
      counted(request, async () =>
        enter(request, reply, await passkeys.signIn(request, request.body.answer)),
      ),
  );
  app.post(
    "/api/v1/join/passkey/options",
    {
      config: { right: "anybody", errors: ["LINK_REFUSED", "NAME_TAKEN", "TOO_MANY_ATTEMPTS"] },
      schema: {
        summary: "Begins an account with a one-time link",
        body: JoinWithPasskey,
        response: { 200: PasskeyOptions },
      },
    },
    (request, reply) =>
      counted(request, async () => {
        const { link, name } = request.body;
        await links.find(link, now());
        if (await people.isNameTaken(name)) {
          throw new SondeError("NAME_TAKEN", `expected a new name, but ${name} is taken`);
        }
        return await passkeys.offerMaking(request, reply, { of: link, maker: newMaker(name) });
      }),
  );
  app.post(
    "/api/v1/join/passkey",
    {
      config: {
        right: "anybody",
        errors: ["LINK_REFUSED", "NAME_TAKEN", "SIGN_IN_REFUSED", "TOO_MANY_ATTEMPTS"],
      },
      schema: {
        summary: "Makes an account with a one-time link and a passkey",
        body: AnswerToJoin,
        response: { 200: SignedInPerson },
      },
    },
    (request, reply) =>
      counted(request, async () => {
        const { link, answer } = request.body;
        const { maker, passkey } = await passkeys.make(request, link, answer);
        const id = await joinByLink(ports, { secret: link, ...maker }, () =>
          Promise.resolve({ kind: "passkey", passkey: { ...passkey, name: null } }),
        );
        return await enter(request, reply, id);
      }),
  );
}
