import { useRight } from "../live.ts";
import { Empty, PageTitle } from "../parts.tsx";
import { GrantSheet } from "./grant-sheet.tsx";
import { KeySheet } from "./key-sheet.tsx";
import { PeopleSheet } from "./people-sheet.tsx";
import { PolicySheet } from "./policy-sheet.tsx";
import { SessionSheet } from "./session-sheet.tsx";

/** Who gets in: people, keys and clients, what narrows them, and where one is signed in oneself. */
export function AccessPage() {
  const readsPeople = useRight("people.read");
  const readsKeys = useRight("keys.read");
  const readsClients = useRight("oauth.read");
  const readsPolicies = useRight("policy.read");
  const isPerson = useRight("self");
  return (
    <>
      <PageTitle title="Access">
        <p class="lead">Who gets in, and what each of them may do</p>
      </PageTitle>
      {readsPeople ? <PeopleSheet /> : null}
      {readsKeys ? <KeySheet /> : null}
      {readsClients ? <GrantSheet /> : null}
      {readsPolicies ? <PolicySheet /> : null}
      {isPerson ? <SessionSheet /> : null}
      {readsPeople || readsKeys || readsPolicies || isPerson ? null : (
        <Empty title="Your role does not see who gets in." />
      )}
    </>
  );
}
