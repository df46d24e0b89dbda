import type { Me } from "@sonde/schemas/people";
import { OwnGrantSheet } from "../access/grant-sheet.tsx";
import { SessionSheet } from "../access/session-sheet.tsx";
import { ask } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { Empty, PageTitle, Said, Shown, Time, useRead, Waiting } from "../parts.tsx";
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
  const read = useRead(() => ask<Me>("GET", "/me"), [version]);
  const { value: lead, again } = read;
  return (
    <>
      <PageTitle title="Your account">
        {lead === null ? null : (
          <p class="lead">
            <Said text={lead.name} />, {lead.role}. You signed in <Time at={lead.authenticatedAt} />{" "}
            by {lead.methods.join(" and ")}.
          </p>
        )}
      </PageTitle>
      <Shown of={read} rows={4}>
        {(me) => (
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
      </Shown>
      <OwnGrantSheet />
    </>
  );
}
