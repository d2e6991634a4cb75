// A server that no program in a sandbox may reach. It counts the connections that come, and reports the count on
// another port.
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Port on 127.0.0.1 at which every connection is counted. */
    listenerPort: number;
    /** `GET <this>` returns how many connections there were. */
    listenerCount: string;
  }
}

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port; // the server listens on a port
};

export default async function setup(project: TestProject): Promise<() => void> {
  let connections = 0;
  const listener = createServer((socket) => {
    connections++;
    socket.end("HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 0\r\n\r\n");
    socket.on("error", () => {}); // the client may hang up once it was counted
  });
  const reporter = createHttpServer((_request, response) => {
    response.writeHead(200, { "access-control-allow-origin": "*" }).end(String(connections));
  });
  project.provide("listenerPort", await listen(listener));
  project.provide("listenerCount", `http://127.0.0.1:${await listen(reporter)}`);
  return () => {
    listener.close();
    reporter.close();
  };
}
