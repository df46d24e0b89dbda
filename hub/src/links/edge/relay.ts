import { randomUUID } from "node:crypto";
import { SondeError, fromStated, toSondeError } from "@sonde/schemas/errors";
import { Digest, Uuid } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { StatedFailure } from "@sonde/schemas/reads";
import { CallBody, DsseEnvelope, ResultBody } from "@sonde/schemas/wire";
import type { Sql } from "postgres";
import { type Static, Type } from "typebox";
import type { AgentAnswer } from "../core/agent-link-port.ts";

const CHANNEL = "sonde_hub_relayed";

/**
 * A question that is older than this when it is read is not asked: the asking hub soon gives up.
 */
const LATE_AFTER_MS = 2_000;

const AgentCall = Type.Object({
  callId: Uuid,
  principal: Type.String({ maxLength: 200 }),
  /** A hub of an earlier release sends none. */
  askedBy: Type.Optional(Type.String({ maxLength: 200 })),
  packDigest: Digest,
  policyHash: Digest,
  body: CallBody,
  /** The same. */
  isPlain: Type.Optional(Type.Boolean()),
});
const Ping = Type.Object({
  op: Type.Literal("ping"),
  agentId: Uuid,
  timeoutMs: Type.Integer({ minimum: 1 }),
});
/** The asking hub's client gave the call up. */
const Cancel = Type.Object({ op: Type.Literal("cancel"), agentId: Uuid, callId: Uuid });
/** A question to the hub that holds an agent's connection. */
const Question = Type.Union([
  Type.Object({ op: Type.Literal("call"), agentId: Uuid, call: AgentCall }),
  Ping,
  Cancel,
]);
export type Question = Static<typeof Question>;

/** Answers by kind of question: a call's answer, whether the agent is alive, or that it was heard. */
type Replies = { call: AgentAnswer; ping: boolean; cancel: null };
export type ReplyTo<Q extends Question> = Replies[Q["op"]];
const READ_REPLY: { [Op in Question["op"]]: (value: unknown) => Replies[Op] } = {
  call: buildParser(
    Type.Object({
      ...{ body: ResultBody, envelope: DsseEnvelope },
      bytes: Type.Optional(Type.Integer({ minimum: 0 })),
    }),
    "relayed answer",
    "INTERNAL",
  ),
  ping: buildParser(Type.Boolean(), "relayed answer", "INTERNAL"),
  cancel: buildParser(Type.Null(), "relayed answer", "INTERNAL"),
};

const Message = Type.Union([
  Type.Object({ kind: Type.Literal("question"), id: Uuid, from: Uuid, question: Question }),
  Type.Object({ kind: Type.Literal("answer"), id: Uuid, reply: Type.Unknown() }),
  Type.Object({ kind: Type.Literal("failure"), id: Uuid, failure: StatedFailure }),
]);
type Message = Static<typeof Message>;
const parseMessage = buildParser(Message, "relayed message", "INTERNAL");

type Waiting = {
  hub: string;
  timer: NodeJS.Timeout;
  resolve(reply: unknown): void;
  reject(error: SondeError): void;
};

/**
 * Messages between the hubs of one database, carried by the database. Not durable: a lost question
 * ends with CALL_OUTCOME_UNKNOWN after its time limit. Nothing is asked twice.
 */
export type Relay = {
  /** @throws SondeError the other hub's failure, or CALL_OUTCOME_UNKNOWN without an answer */
  ask<Q extends Question>(hub: string, question: Q, timeoutMs: number): Promise<ReplyTo<Q>>;
  /** Fails all open questions to a hub that is gone. */
  giveUpOn(hub: string): void;
  close(): Promise<void>;
};

/** @param answer answers other hubs' questions; its errors are sent back as failures */
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
  const answerTo = async (
    { id, from, question }: Extract<Message, { kind: "question" }>,
    isLate: boolean,
  ): Promise<void> => {
    const fail = (thrown: unknown): Message => {
      const { code, message } = toSondeError(thrown);
      return { kind: "failure", id, failure: { code, message } };
    };
    let reply: Message;
    try {
      if (isLate) throw new SondeError("AGENT_OFFLINE", "the question came too late to be asked");
      reply = { kind: "answer", id, reply: await answer(question) };
    } catch (thrown) {
      reply = fail(thrown);
    }
    try {
      await send(from, reply);
    } catch (thrown) {
      report(toSondeError(thrown));
      // It is smaller, so it may find the room that the answer did not find.
      await send(from, fail(unanswered()));
    }
  };
  const receive = (message: Message, isLate: boolean): void => {
    switch (message.kind) {
      case "question":
        return void answerTo(message, isLate).catch(report);
      case "answer":
        return settle(message.id, (asked) => asked.resolve(message.reply));
      case "failure":
        return settle(message.id, (asked) => asked.reject(fromStated(message.failure)));
    }
  };
  // Deletes and returns this hub's messages in one statement, so each is read once.
  const take = async (id: string | null): Promise<void> => {
    const rows = await sql<{ message: string; isLate: boolean }[]>`
      delete from relayed where to_hub = ${self} ${id === null ? sql`` : sql`and id = ${id}`}
      returning message, at < now() - make_interval(secs => ${LATE_AFTER_MS / 1000}) as "isLate"`;
    for (const { message, isLate } of rows) {
      try {
        receive(parseMessage(parseJson(message, "relayed message", "INTERNAL")), isLate);
      } catch (thrown) {
        report(toSondeError(thrown));
      }
    }
  };

  const listening = await sql.listen(
    CHANNEL,
    (text) => {
      const [hub, id = ""] = text.split(" ");
      if (hub === self) take(id).catch(report);
    },
    // After each connect: read the messages whose notification was lost.
    () => void take(null).catch(report),
  );

  return {
    ask(hub, question, timeoutMs) {
      const id = randomUUID();
      return new Promise((resolve, reject) => {
        const giveUp = () => settle(id, (asked) => asked.reject(unanswered()));
        const timer = setTimeout(giveUp, timeoutMs);
        const read = READ_REPLY[question.op] as (reply: unknown) => ReplyTo<typeof question>;
        const settled = (reply: unknown): void => {
          try {
            resolve(read(reply));
          } catch (thrown) {
            reject(toSondeError(thrown));
          }
        };
        waiting.set(id, { hub, timer, resolve: settled, reject });
        send(hub, { kind: "question", id, from: self, question }).catch((thrown: unknown) => {
          report(toSondeError(thrown));
          // It may be on its way all the same.
          settle(id, (asked) => asked.reject(unanswered()));
        });
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
