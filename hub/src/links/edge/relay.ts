import { randomUUID } from "node:crypto";
import { SondeError, fromStated, toSondeError } from "@sonde/schemas/errors";
import type { Sql } from "postgres";
import type { AgentAnswer, AgentCall } from "../core/agent-link-port.ts";

const CHANNEL = "sonde_hub_relayed";

/** What one hub asks of the one that holds an agent's connection. */
export type Question =
  | { op: "call"; agentId: string; call: AgentCall }
  | { op: "ping"; agentId: string; timeoutMs: number };

/** An answer by the question's kind: a call's answer, or whether the agent is there. */
type Replies = { call: AgentAnswer; ping: boolean };
export type ReplyTo<Q extends Question> = Replies[Q["op"]];

type Message =
  | { kind: "question"; id: string; from: string; question: Question }
  | { kind: "answer"; id: string; reply: unknown }
  | { kind: "answer"; id: string; failure: { code: string; message: string } };

type Waiting = {
  hub: string;
  timer: NodeJS.Timeout;
  resolve(reply: unknown): void;
  reject(error: SondeError): void;
};

/**
 * Questions between the hubs of one database, carried by it. Not durable: what is lost is answered
 * with CALL_OUTCOME_UNKNOWN when its time is over, and nothing is asked twice.
 */
export type Relay = {
  /** @throws SondeError what the other hub answered, or CALL_OUTCOME_UNKNOWN when it did not */
  ask<Q extends Question>(hub: string, question: Q, timeoutMs: number): Promise<ReplyTo<Q>>;
  /** A hub is gone: nobody waits for it any longer. */
  giveUpOn(hub: string): void;
  close(): Promise<void>;
};

/** @param answer answers what other hubs ask; what it throws is their failure */
export async function openRelay(
  sql: Sql,
  self: string,
  answer: (question: Question) => Promise<unknown>,
  report: (error: Error) => void,
): Promise<Relay> {
  const waiting = new Map<string, Waiting>();

  const send = async (hub: string, message: Message): Promise<void> => {
    await sql`insert into relayed (to_hub, message) values (${hub}, ${JSON.stringify(message)})`;
  };
  const settle = (id: string, how: (asked: Waiting) => void): void => {
    const asked = waiting.get(id);
    if (asked === undefined) return;
    clearTimeout(asked.timer);
    waiting.delete(id);
    how(asked);
  };
  const reply = async (id: string, from: string, question: Question): Promise<void> => {
    try {
      await send(from, { kind: "answer", id, reply: await answer(question) });
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      await send(from, { kind: "answer", id, failure: { code, message } });
    }
  };
  const receive = (message: Message): void => {
    if (message.kind === "question") {
      void reply(message.id, message.from, message.question).catch(report);
    } else if ("failure" in message) {
      settle(message.id, (asked) => asked.reject(fromStated(message.failure)));
    } else settle(message.id, (asked) => asked.resolve(message.reply));
  };
  // Taken by whoever it is for and by nobody else, each once.
  const take = async (id: string | null): Promise<void> => {
    const rows = await sql<{ message: string }[]>`
      delete from relayed where to_hub = ${self} ${id === null ? sql`` : sql`and id = ${id}`}
      returning message`;
    for (const { message } of rows) receive(JSON.parse(message) as Message);
  };

  const listening = await sql.listen(
    CHANNEL,
    (text) => {
      const [hub, id = ""] = text.split(" ");
      if (hub === self) take(id).catch(report);
    },
    // What came while nobody listened, and at the start what an earlier process was sent.
    () => void take(null).catch(report),
  );

  return {
    ask(hub, question, timeoutMs) {
      const id = randomUUID();
      return new Promise((resolve, reject) => {
        const giveUp = () => settle(id, (asked) => asked.reject(unanswered()));
        const timer = setTimeout(giveUp, timeoutMs);
        const settled = resolve as (reply: unknown) => void;
        waiting.set(id, { hub, timer, resolve: settled, reject });
        send(hub, { kind: "question", id, from: self, question }).catch((thrown: unknown) =>
          settle(id, (asked) => asked.reject(toSondeError(thrown))),
        );
      });
    },
    giveUpOn(hub) {
      for (const [id, { hub: asked }] of waiting) {
        if (asked === hub) settle(id, (lost) => lost.reject(unanswered()));
      }
    },
    async close() {
      for (const id of waiting.keys()) settle(id, (asked) => asked.reject(unanswered()));
      await listening.unlisten();
    },
  };
}

function unanswered(): SondeError {
  return new SondeError(
    "CALL_OUTCOME_UNKNOWN",
    "the hub that holds the agent's connection did not answer",
  );
}
