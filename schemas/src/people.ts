import { type Static, Type } from "typebox";
import { Timestamp, Uuid } from "./names.ts";

// REST bodies of the hub's accounts. Paths, all below /api/v1; `me` is whoever is signed in:
//   GET    /people                               -> PersonList
//   PATCH  /people/:id                              ChangePerson -> PersonSummary
//   DELETE /people/:id                           -> PersonList
//   GET    /people/:id/sessions                  -> SessionList
//   DELETE /people/:id/sessions                  -> SessionList
//   GET    /people/invitations                   -> InvitationList
//   POST   /people/invitations                      CreateInvitation -> CreatedInvitation
//   DELETE /people/invitations/:id               -> InvitationList
//   GET    /me                                   -> Me
//   GET    /sessions                             -> SessionList
//   DELETE /sessions/:id                         -> SessionList
//   POST   /me/passkeys/options                  -> PasskeyOptions
//   POST   /me/passkeys                             AddPasskey -> Me
//   DELETE /me/passkeys/:id                      -> Me
//   POST   /me/password/options                  -> PasswordOptions
//   PUT    /me/password                             SetPassword -> RecoveryCodes
//   DELETE /me/password                          -> Me

const closed = { additionalProperties: false } as const;
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

/** What a person may be, from the most rights to the fewest. */
export const PersonRole = Type.Enum(["owner", "admin", "operator", "auditor", "member"]);
export type PersonRole = Static<typeof PersonRole>;

/** By which a person signs in: a short name or a mail address, in lower case. */
export const PersonName = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: "^[a-z0-9][a-z0-9._@+-]*$",
});

/** How somebody proved who they are. `password` always comes with one of the two codes. */
export const SignInMethod = Type.Enum(["passkey", "password", "totp", "recovery-code", "sso"]);
export type SignInMethod = Static<typeof SignInMethod>;

/** NIST SP 800-63B asks for 8 and advises 15; a second factor is always asked for beside it. */
export const Password = Type.String({ minLength: 12, maxLength: 256 });

export const PersonSummary = Type.Object(
  {
    id: Uuid,
    name: PersonName,
    role: PersonRole,
    /** A disabled person cannot sign in. */
    disabled: Type.Boolean(),
    createdAt: Timestamp,
    /** `person:<id>` or `key:<id>`; null when the hub itself gave the link. */
    createdBy: orNull(Type.String()),
    signedInAt: orNull(Timestamp),
    passkeys: Type.Integer(),
    hasPassword: Type.Boolean(),
    /** The issuer of single sign-on, where the person comes from one. */
    issuer: orNull(Type.String()),
  },
  closed,
);
export type PersonSummary = Static<typeof PersonSummary>;
export const PersonList = Type.Object({ people: Type.Array(PersonSummary) }, closed);

export const ChangePerson = Type.Object(
  { role: Type.Optional(PersonRole), disabled: Type.Optional(Type.Boolean()) },
  { ...closed, minProperties: 1 },
);

export const CreateInvitation = Type.Object({ role: PersonRole }, closed);
/** `link` is shown once and works once. Its address is the one by which the hub was asked. */
export const CreatedInvitation = Type.Object(
  { id: Uuid, role: PersonRole, link: Type.String(), expiresAt: Timestamp },
  closed,
);
export const InvitationList = Type.Object(
  {
    invitations: Type.Array(
      Type.Object(
        {
          id: Uuid,
          role: PersonRole,
          createdAt: Timestamp,
          createdBy: orNull(Type.String()),
          expiresAt: Timestamp,
        },
        closed,
      ),
    ),
  },
  closed,
);

export const SessionSummary = Type.Object(
  {
    id: Uuid,
    /** Whether the request that asks is of this session. */
    current: Type.Boolean(),
    methods: Type.Array(SignInMethod),
    createdAt: Timestamp,
    /** The person's last request, to the minute. */
    seenAt: Timestamp,
    expiresAt: Timestamp,
    address: Type.String(),
    /** What the browser says of itself, shortened. */
    browser: Type.String(),
  },
  closed,
);
export type SessionSummary = Static<typeof SessionSummary>;
export const SessionList = Type.Object({ sessions: Type.Array(SessionSummary) }, closed);

export const Me = Type.Object(
  {
    id: Uuid,
    name: PersonName,
    role: PersonRole,
    /** Of the last sign-in. Changes of credentials and people need one of the last ten minutes. */
    authenticatedAt: Timestamp,
    methods: Type.Array(SignInMethod),
    passkeys: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          /** The host name at which this passkey works. */
          host: Type.String(),
          createdAt: Timestamp,
          usedAt: orNull(Timestamp),
        },
        closed,
      ),
    ),
    hasPassword: Type.Boolean(),
    recoveryCodes: Type.Integer(),
    issuer: orNull(Type.String()),
  },
  closed,
);
export type Me = Static<typeof Me>;
