import { type Static, Type } from "typebox";
import { Timestamp, Uuid } from "./names.ts";
import { buildParser } from "./parse/validator.ts";

// REST bodies of the hub's accounts; hub-api.ts lists their routes.

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
export const parsePersonSummary = buildParser(PersonSummary, "hub answer", "INTERNAL");
export const PersonList = Type.Object({ people: Type.Array(PersonSummary) }, closed);
export const parsePersonList = buildParser(PersonList, "hub answer", "INTERNAL");

export const ChangePerson = Type.Object(
  { role: Type.Optional(PersonRole), disabled: Type.Optional(Type.Boolean()) },
  { ...closed, minProperties: 1 },
);
export type ChangePerson = Static<typeof ChangePerson>;

export const CreateInvitation = Type.Object({ role: PersonRole }, closed);
/**
 * `link` is shown once and works once. Its address is the one by which the hub was asked, or that of the
 * hub's configuration when it was asked on its own machine.
 */
export const CreatedInvitation = Type.Object(
  { id: Uuid, role: PersonRole, link: Type.String(), expiresAt: Timestamp },
  closed,
);
export type CreatedInvitation = Static<typeof CreatedInvitation>;
export const parseCreatedInvitation = buildParser(CreatedInvitation, "hub answer", "INTERNAL");
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
export type InvitationList = Static<typeof InvitationList>;
export const parseInvitationList = buildParser(InvitationList, "hub answer", "INTERNAL");

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
export const parseSessionList = buildParser(SessionList, "hub answer", "INTERNAL");

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
          /** What its person calls it; null for one that came with the account. */
          name: orNull(Type.String()),
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

/** What a browser's authenticator answers, of which the hub checks every part itself. */
const Base64Url = (maxLength: number) => Type.String({ maxLength, pattern: "^[A-Za-z0-9_-]+$" });
export const PasskeyAnswer = Type.Object({
  id: Base64Url(1_400),
  rawId: Base64Url(1_400),
  type: Type.Literal("public-key"),
  clientExtensionResults: Type.Object({}),
  response: Type.Object({
    clientDataJSON: Base64Url(10_000),
    attestationObject: Type.Optional(Base64Url(50_000)),
    authenticatorData: Type.Optional(Base64Url(10_000)),
    signature: Type.Optional(Base64Url(10_000)),
    userHandle: Type.Optional(Base64Url(100)),
    transports: Type.Optional(Type.Array(Type.String({ maxLength: 20 }), { maxItems: 10 })),
  }),
});
export type PasskeyAnswer = Static<typeof PasskeyAnswer>;

/** What a page passes to the browser: PublicKeyCredentialCreationOptionsJSON, or that for requests. */
export const PasskeyOptions = Type.Object({ challenge: Type.String() });

/** Whoever signs in or joins with a passkey: the cookie has the session. */
export const SignedInPerson = Type.Object({ id: Uuid, name: PersonName, role: PersonRole }, closed);

const LinkSecret = Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" });
export const JoinWithPasskey = Type.Object({ link: LinkSecret, name: PersonName }, closed);
export const AnswerToJoin = Type.Object({ link: LinkSecret, answer: PasskeyAnswer }, closed);
export const AnswerOfPasskey = Type.Object({ answer: PasskeyAnswer }, closed);
export const AddPasskey = Type.Object(
  {
    answer: PasskeyAnswer,
    /** For its person, without control characters. */
    name: Type.Optional(Type.String({ pattern: "^[^\\u0000-\\u001f\\u007f]{1,80}$" })),
  },
  closed,
);

/** A secret for an app. `sealed` comes back with the app's first code. */
export const PasswordOptions = Type.Object(
  { secret: Type.String(), address: Type.String(), sealed: Type.String() },
  closed,
);
export type PasswordOptions = Static<typeof PasswordOptions>;
export const SetPassword = Type.Object(
  {
    password: Password,
    sealed: Type.String({ maxLength: 1_000 }),
    code: Type.String({ pattern: "^[0-9]{6}$" }),
  },
  closed,
);
/** Shown once. Each works once, beside the password. */
export const RecoveryCodes = Type.Object({ recoveryCodes: Type.Array(Type.String()) }, closed);
export type RecoveryCodes = Static<typeof RecoveryCodes>;

/**
 * In the hub's data folder, where only the hub's user and root can write: what `sonde hub reset-owner`
 * leaves there for the hub, which removes it once the link is in force.
 */
export const OWNER_RESET_FILE = "owner-reset.json";
export const parseOwnerReset = buildParser(
  Type.Object({ secretSha256: Type.String({ pattern: "^[0-9a-f]{64}$" }) }, closed),
  OWNER_RESET_FILE,
  "CONFIG_INVALID",
);
