// Somebody else's web page, which embeds the widget as the README says: on another site than the relay, without special
// headers.
import { createServer } from "node:http";

export interface HostSite {
  readonly url: string;
  stop(): Promise<void>;
}

/** `relayUrl` ends in a slash and is on `localhost`; the page is on 127.0.0.1, which browsers treat as another site. */
export async function startHostSite(relayUrl: string): Promise<HostSite> {
  const html = `<!doctype html>
<html lang="en">
  <title>A bakery</title>
  <h1>Bread since 1921</h1>
  <script type="module" src="${relayUrl}widget.js"></script><manyhands-widget></manyhands-widget>
</html>`;
  const server = createServer((request, response) => {
    if (request.url === "/") response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the host site has no port");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
