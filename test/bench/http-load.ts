import { type Socket, connect } from "node:net";

/**
 * Requests one page repeatedly over keep-alive connections and checks only status and length.
 * Node's own client would cost more than the servers under test.
 *
 * @returns a function that gets the page once; several may run at once
 */
export function createGetter(
  url: string,
  connections: number,
): { get: () => Promise<void>; close: () => void } {
  const { hostname, port, pathname, search } = new URL(url);
  const head = `GET ${pathname}${search} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`;
  const idle: Socket[] = Array.from({ length: connections }, () =>
    connect({ host: hostname, port: Number(port), noDelay: true }),
  );
  const all = [...idle];
  return {
    get: async () => {
      const socket = idle.pop();
      if (socket === undefined) throw new Error("expected an idle connection, all are used");
      await ask(socket, head);
      idle.push(socket);
    },
    close: () => {
      for (const socket of all) socket.destroy();
    },
  };
}

function ask(socket: Socket, head: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let start: Buffer | null = null;
    let left = 0;
    const onData = (chunk: Buffer): void => {
      if (left > 0) left -= chunk.length;
      else {
        start = start === null ? chunk : Buffer.concat([start, chunk]);
        const end = start.indexOf("\r\n\r\n");
        if (end === -1) return;
        const text = start.toString("latin1", 0, end);
        const length = /^content-length: (\d+)/im.exec(text)?.[1];
        if (!text.startsWith("HTTP/1.1 200") || length === undefined) {
          reject(new Error(`expected 200 with a length, got ${text}`));
          return;
        }
        left = Number(length) - (start.length - end - 4);
      }
      if (left > 0) return;
      socket.off("data", onData).off("error", reject);
      resolve();
    };
    socket.on("data", onData).on("error", reject);
    socket.write(head);
  });
}
