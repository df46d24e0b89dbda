import type {
  OAuthClientList,
  OAuthClientSummary,
  OAuthGrantList,
  OAuthGrantSummary,
} from "@sonde/schemas/oauth";
import { useState } from "preact/hooks";
import { ask, part } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { Badge, countOf, Failure, Said, Shown, Time, useAct, useRead, Window } from "../parts.tsx";

/** What the person let clients do. */
export function OwnGrantSheet() {
  const read = useRead(
    () => ask<OAuthGrantList>("GET", "/me/grants"),
    [useLive(({ versions }) => versions.clients)],
  );
  return (
    <section class="sheet" aria-labelledby="own-grants">
      <h2 id="own-grants">Clients that you let in</h2>
      <Shown of={read} rows={2}>
        {({ grants }) => (
          <GrantTable grants={grants} route="/me/grants" mayEnd again={read.again} />
        )}
      </Shown>
    </section>
  );
}

/** The OAuth clients of the hub, and what people let them do. */
export function GrantSheet() {
  const version = useLive(({ versions }) => versions.clients);
  const mayManage = useRight("oauth.manage");
  const [removing, setRemoving] = useState<OAuthClientSummary | null>(null);
  const read = useRead(async () => {
    const [{ grants }, { clients }] = await Promise.all([
      ask<OAuthGrantList>("GET", "/oauth/grants"),
      ask<OAuthClientList>("GET", "/oauth/clients"),
    ]);
    return { grants, clients };
  }, [version]);
  return (
    <section class="sheet" aria-labelledby="clients">
      <h2 id="clients">OAuth clients</h2>
      {removing === null ? null : (
        <RemoveWindow of={removing} close={() => setRemoving(null)} again={read.again} />
      )}
      <Shown of={read} rows={3}>
        {({ clients, grants }) => (
          <>
            <ClientTable clients={clients} remove={mayManage ? setRemoving : null} />
            <h3>What people let them do</h3>
            <GrantTable
              grants={grants}
              route="/oauth/grants"
              mayEnd={mayManage}
              withPerson
              again={read.again}
            />
          </>
        )}
      </Shown>
    </section>
  );
}

function ClientTable(props: {
  clients: readonly OAuthClientSummary[];
  remove: ((client: OAuthClientSummary) => void) | null;
}) {
  const { clients, remove } = props;
  if (clients.length === 0) {
    return (
      <p class="note">None came yet. Give a client, such as Claude.ai, the address of /mcp.</p>
    );
  }
  return (
    <table>
      <caption class="unseen">Clients</caption>
      <thead>
        <tr>
          <th scope="col">Its codes go to</th>
          <th scope="col">It calls itself</th>
          <th scope="col" class="middle">
            Registered
          </th>
          <th scope="col" class="middle">
            Let in
          </th>
          <th scope="col">
            <span class="unseen">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {clients.map((client) => (
          <tr key={client.id}>
            <th scope="row">
              <Said text={client.host} />
            </th>
            <td>
              <Said text={client.name} />
            </td>
            <td class="middle">
              {client.registeredAt === null ? "by its document" : <Time at={client.registeredAt} />}
            </td>
            <td class="middle">
              {client.grants === 0 ? "by nobody" : countOf(client.grants, "time")}
            </td>
            <td class="number">
              {remove === null ? null : (
                <button
                  type="button"
                  class="plain"
                  aria-label={`Remove ${client.name}`}
                  onClick={() => remove(client)}
                >
                  Remove
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function RemoveWindow(props: { of: OAuthClientSummary; close: () => void; again: () => void }) {
  const { of, close, again } = props;
  const { run, isRunning, refusal } = useAct();
  const remove = async () => {
    await ask("DELETE", `/oauth/clients/${part(of.id)}`);
    again();
    close();
  };
  return (
    <Window title="Remove a client" close={close}>
      <p>
        <Said text={of.name} /> is forgotten, and all that people let it do ends with its open
        streams. It may register again and ask again.
      </p>
      {refusal === null ? null : <Failure refusal={refusal} />}
      <p class="acts">
        <button type="button" class="danger" disabled={isRunning} onClick={() => run(remove)}>
          Remove it
        </button>
        <button type="button" class="plain" onClick={close}>
          Keep it
        </button>
      </p>
    </Window>
  );
}

type GrantList = {
  grants: readonly OAuthGrantSummary[];
  /** Below which the ids of the grants are. */
  route: "/me/grants" | "/oauth/grants";
  mayEnd: boolean;
  withPerson?: boolean;
  again: () => void;
};

function GrantTable({ grants, withPerson = false, ...rest }: GrantList) {
  if (grants.length === 0) return <p class="note">Nobody let a client in.</p>;
  return (
    <table>
      <caption class="unseen">Grants</caption>
      <thead>
        <tr>
          <th scope="col">Client</th>
          {withPerson ? <th scope="col">Let in by</th> : null}
          <th scope="col">It may</th>
          <th scope="col" class="middle">
            Since
          </th>
          <th scope="col" class="middle">
            Last used
          </th>
          <th scope="col">
            <span class="unseen">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {grants.map((grant) => (
          <GrantRow key={grant.id} grant={grant} withPerson={withPerson} {...rest} />
        ))}
      </tbody>
    </table>
  );
}

function GrantRow(props: Omit<GrantList, "grants"> & { grant: OAuthGrantSummary }) {
  const { grant, route, mayEnd, withPerson, again } = props;
  const { id, person, client, scopes, agents, grantedAt, usedAt, expiresAt } = grant;
  const { run, isRunning, refusal } = useAct();
  const isOver = Date.parse(expiresAt) <= Date.now();
  const end = async () => {
    await ask("DELETE", `${route}/${part(id)}`);
    again();
  };
  return (
    <tr>
      <th scope="row">
        <Said text={client.host} />
        <span class="note">
          {" calls itself "}
          <Said text={client.name} />
        </span>
        {refusal === null ? null : <Failure refusal={refusal} />}
      </th>
      {withPerson === true ? (
        <td>
          <Said text={person.name} />
        </td>
      ) : null}
      <td>
        {scopes.join(", ")}
        <span class="note">
          {" on "}
          <Said text={agents === "*" ? "every host" : agents.join(", ")} />
        </span>
      </td>
      <td class="middle">
        <Time at={grantedAt} />
      </td>
      <td class="middle">{usedAt === null ? "never" : <Time at={usedAt} />}</td>
      <td class="number">
        {grant.endedAt !== null || isOver ? (
          <Badge level="none">{grant.endedBecause ?? "over"}</Badge>
        ) : mayEnd ? (
          <button
            type="button"
            class="plain"
            disabled={isRunning}
            aria-label={`End it: what ${client.name} may do for ${person.name}`}
            onClick={() => run(end)}
          >
            End it
          </button>
        ) : null}
      </td>
    </tr>
  );
}
