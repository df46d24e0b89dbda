import type {
  OAuthClientList,
  OAuthClientSummary,
  RefusedClient,
  RefusedClientList,
} from "@sonde/schemas/oauth";
import { ask, part, type Refusal } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { countOf, Failure, Lines, Said, Time, useAct, useRead } from "../parts.tsx";

type WaitingClients = {
  refused: readonly RefusedClient[];
  /** Registered themselves, and no person let them in yet. */
  fresh: readonly OAuthClientSummary[];
};

/** OAuth clients of which somebody may decide, for who may see them. */
export function useWaitingClients(): {
  clients: WaitingClients;
  refusal: Refusal | null;
  again: () => void;
} {
  const mayRead = useRight("oauth.read");
  const version = useLive(({ versions }) => versions.clients);
  const { value, refusal, again } = useRead(async (): Promise<WaitingClients> => {
    if (!mayRead) return NONE;
    const [{ refused }, { clients }] = await Promise.all([
      ask<RefusedClientList>("GET", "/oauth/refused-clients"),
      ask<OAuthClientList>("GET", "/oauth/clients"),
    ]);
    const fresh = clients.filter(({ registeredAt, usedAt, grants }) => {
      return registeredAt !== null && usedAt === null && grants === 0;
    });
    return { refused, fresh };
  }, [version, mayRead]);
  return { clients: value ?? NONE, refusal, again };
}

const NONE: WaitingClients = { refused: [], fresh: [] };

/** A client that may not come, and the line by which it may. */
export function RefusedItem({ of, again }: { of: RefusedClient; again: () => void }) {
  const { id, name, member, value, line, from, refusedAt, times } = of;
  return (
    <li>
      <h3>
        <Said text={value} />{" "}
        {name === null ? null : (
          <span class="note">
            calls itself <Said text={name} />
          </span>
        )}
      </h3>
      <p class="note">
        Refused <Time at={refusedAt} />, {countOf(times, "time")}
        {from === null ? null : (
          <>
            , asked from <Said text={from} />
          </>
        )}
        .
      </p>
      <p>
        {member === "documentHosts"
          ? "Whoever has this host could ask people to be let in. Add it only when you know whose it is. In oauth.clients of hub.json:"
          : "The codes of people would go to this address. Add it only when you know whose it is. In oauth.clients of hub.json:"}
      </p>
      <Lines label={`Line for ${value}`} text={line} />
      <Lines label="Command that takes it over" text="sudo systemctl reload sonde-hub" />
      <Forget name={value} path={`/oauth/refused-clients/${part(id)}`} again={again} />
    </li>
  );
}

/** A client that registered itself and that a person may let in when it asks. */
export function FreshItem({ of, again }: { of: OAuthClientSummary; again: () => void }) {
  return (
    <li>
      <h3>
        <Said text={of.host} />{" "}
        <span class="note">
          calls itself <Said text={of.name} />
        </span>
      </h3>
      <p class="note">
        Registered
        {of.registeredAt === null ? null : (
          <>
            {" "}
            <Time at={of.registeredAt} />
          </>
        )}
        . It asks a person in their browser, and does nothing before.
      </p>
      <Forget name={of.name} path={`/oauth/clients/${part(of.id)}`} again={again} />
    </li>
  );
}

function Forget(props: { name: string; path: string; again: () => void }) {
  const mayManage = useRight("oauth.manage");
  const { run, isRunning, refusal } = useAct();
  const forget = async () => {
    await ask("DELETE", props.path);
    props.again();
  };
  return (
    <>
      {refusal === null ? null : <Failure refusal={refusal} />}
      {mayManage ? (
        <p class="acts">
          <button
            type="button"
            class="plain"
            aria-label={`Forget it: ${props.name}`}
            disabled={isRunning}
            onClick={() => run(forget)}
          >
            Forget it
          </button>
        </p>
      ) : null}
    </>
  );
}
