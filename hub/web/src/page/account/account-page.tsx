import type { Me } from "@sonde/schemas/people";
import { OwnGrantSheet } from "../access/grant-sheet.tsx";
import { SessionSheet } from "../access/session-sheet.tsx";
import { ask } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { Empty, Failure, PageTitle, Said, Time, useRead, Waiting } from "../parts.tsx";
import { PasskeySheet } from "./passkey-sheet.tsx";
import { PasswordSheet } from "./password-sheet.tsx";

/** How one signs in oneself, where one is signed in, and what one let clients do. */
export function AccountPage() {
  const isPerson = useRight("self");
  const isKnown = useLive(({ me }) => me !== null);
  if (isPerson) return <Account />;
  return (
    <>
      <PageTitle title="Your account" />
      {isKnown ? (
        <Empty title="A key has no account.">
          <p>Sign in as a person to see yours.</p>
        </Empty>
      ) : (
        <Waiting rows={4} />
      )}
    </>
  );
}

function Account() {
  const version = useLive(({ versions }) => versions.people);
  const { value: me, refusal, again } = useRead(() => ask<Me>("GET", "/me"), [version]);
  return (
    <>
      <PageTitle title="Your account">
        {me === null ? null : (
          <p class="lead">
            <Said text={me.name} />, {me.role}. You signed in <Time at={me.authenticatedAt} /> by{" "}
            {me.methods.join(" and ")}.
          </p>
        )}
      </PageTitle>
      {refusal === null ? null : <Failure refusal={refusal} again={again} />}
      {me === null ? (
        refusal === null ? (
          <Waiting rows={4} />
        ) : null
      ) : (
        <>
          <p class="note">
            A change of how you sign in needs a sign-in of the last ten minutes, and signs you out
            in every other browser.
          </p>
          {me.issuer === null ? null : (
            <p>
              You sign in at <Said text={me.issuer} />. What is below works beside it.
            </p>
          )}
          <PasskeySheet me={me} again={again} />
          <PasswordSheet me={me} again={again} />
          <SessionSheet when={me} />
        </>
      )}
      <OwnGrantSheet />
    </>
  );
}
