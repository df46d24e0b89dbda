import type { EventStart } from "@sonde/schemas/hub";
import type { ComponentChildren } from "preact";
import { AccessPage } from "./access/access-page.tsx";
import { AccountPage } from "./account/account-page.tsx";
import { ActivityPage } from "./activity/activity-page.tsx";
import { CallPage, EntryPage } from "./activity/call-page.tsx";
import { send } from "./api.ts";
import { FleetPage } from "./fleet/fleet-page.tsx";
import { HealthPage } from "./health/health-page.tsx";
import { HostPage } from "./host/host-page.tsx";
import { InboxPage } from "./inbox/inbox-page.tsx";
import { signInAddress, useLive } from "./live.ts";
import { PacksPage } from "./packs/packs-page.tsx";
import { VersionPage } from "./packs/version-page.tsx";
import { Empty, PageTitle, Said, useAct } from "./parts.tsx";
import { Link, useRoute } from "./router.tsx";
import { TryPage } from "./try/try-page.tsx";

type Page = { name: string; to: readonly string[]; right: string };

/** The pages of the navigation. A person sees those of which it has the right. */
const PAGES: readonly Page[] = [
  { name: "Fleet", to: [], right: "agents.read" },
  { name: "Inbox", to: ["inbox"], right: "inbox.read" },
  { name: "Packs", to: ["packs"], right: "tools.read" },
  { name: "Try it", to: ["try"], right: "probe.list" },
  { name: "Activity", to: ["activity"], right: "audit.read" },
  // A person sees at least their own sessions there.
  { name: "Access", to: ["access"], right: "agents.read" },
  { name: "Health", to: ["health"], right: "drift.read" },
];

/** The whole console: navigation, the state of the connection, and the page of the address. */
export function App() {
  const connection = useLive((live) => live.connection);
  return (
    <>
      <a class="skip" href="#content">
        Skip to content
      </a>
      <Bar />
      <p class="connection" role="status">
        {connection === "away" ? "The hub does not answer. What you see may be old." : ""}
      </p>
      <main id="content" tabIndex={-1}>
        {connection === "signed-out" ? <SignedOut /> : <CurrentPage />}
      </main>
    </>
  );
}

function Bar() {
  const { segments } = useRoute();
  const me = useLive((live) => live.me);
  const isSignedOut = useLive(({ connection }) => connection === "signed-out");
  const [first = ""] = segments;
  const seen = PAGES.filter(({ right }) => me?.rights.includes(right) ?? !isSignedOut);
  return (
    <header class="bar">
      <Link to={[]} class="brand">
        <span class="sign" aria-hidden="true" />
        Sonde
      </Link>
      <nav aria-label="Pages">
        <ul>
          {seen.map(({ name, to }) => (
            <li key={name}>
              <Link to={to} isCurrent={(to[0] ?? "") === (first === "hosts" ? "" : first)}>
                {name}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <p class="me">{me === null ? null : <Me me={me} />}</p>
    </header>
  );
}

function Me({ me }: { me: EventStart }) {
  const { run, isRunning } = useAct();
  const leave = async () => {
    await send("/logout", { method: "POST" });
    location.assign("/login");
  };
  return (
    <>
      {me.rights.includes("self") ? (
        <Link to={["account"]}>
          <Said text={me.name} />
        </Link>
      ) : (
        <Said text={me.name} />
      )}{" "}
      {me.rights.includes("self") ? (
        <button type="button" class="plain" disabled={isRunning} onClick={() => run(leave)}>
          Sign out
        </button>
      ) : null}
    </>
  );
}

function CurrentPage(): ComponentChildren {
  const { segments } = useRoute();
  const [first, second, third, fourth] = segments;
  if (first === undefined) return <FleetPage />;
  if (first === "hosts" && second !== undefined) return <HostPage name={second} key={second} />;
  if (first === "inbox" && second === undefined) return <InboxPage />;
  if (first === "health" && second === undefined) return <HealthPage />;
  if (first === "access" && second === undefined) return <AccessPage />;
  if (first === "account" && second === undefined) return <AccountPage />;
  if (first === "packs" && second === undefined) return <PacksPage />;
  if (first === "packs" && second !== undefined && third !== undefined) {
    return (
      <VersionPage publisher={second} pack={third} version={fourth} key={`${second}/${third}`} />
    );
  }
  if (first === "try" && third === undefined) return <TryPage tool={second} />;
  if (first === "activity") {
    if (second === undefined) return <ActivityPage />;
    if (second === "calls" && third !== undefined) return <CallPage callId={third} key={third} />;
    if (second === "entries" && third !== undefined) return <EntryPage seq={third} />;
  }
  return (
    <>
      <PageTitle title="There is nothing here" />
      <Empty title="The console has no page of this address.">
        <p>
          <Link to={[]}>Go to the fleet</Link>
        </p>
      </Empty>
    </>
  );
}

function SignedOut() {
  return (
    <>
      <PageTitle title="You are not signed in" />
      <Empty title="Your session has ended.">
        <p>
          <a class="button" href={signInAddress()}>
            Sign in
          </a>
        </p>
      </Empty>
    </>
  );
}
