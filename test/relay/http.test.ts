// The relay over HTTP: the page, models by ranges, the API, and headers.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import * as v from "valibot";
import { afterAll, beforeAll, expect, test } from "vitest";
import { relayAddress } from "../../relay/http/app.ts";
import { tinyManifest } from "./tiny-manifest.ts";
import { type TestRelay, testRelay } from "./relay-harness.ts";
import { Bootstrap, Health, SwarmOverview } from "../../src/protocol/relay-api.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";

let dir: string;
let served: TestRelay;
const url = (path: string): string => new URL(path, served.relay.url).href;
const weights = Uint8Array.from({ length: 1000 }, (_, i) => i & 0xff);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "manyhands-site-"));
  const site = join(dir, "site");
  await mkdir(join(site, "assets"), { recursive: true });
  await mkdir(join(site, "models", "bundled"), { recursive: true });
  await mkdir(join(dir, "more", "extra"), { recursive: true });
  await mkdir(join(dir, "more", "no-model"), { recursive: true });
  await Promise.all([
    writeFile(join(site, "index.html"), "<h1>page</h1>"),
    writeFile(join(site, "widget.html"), "<h1>widget</h1>"),
    writeFile(join(site, "widget.js"), "export {}"),
    writeFile(join(site, "assets", "app-a1b2c3d4.js"), "let plain;"),
    writeFile(join(site, "assets", "app-a1b2c3d4.js.gz"), gzipSync("let compressed;")),
    writeFile(join(site, "assets", "ort-a1b2c3d4.wasm"), "\0asm"),
    writeFile(join(site, "models", "bundled", "manifest.cbor"), (await tinyManifest("bundled")).bytes),
    writeFile(join(dir, "more", "extra", "manifest.cbor"), (await tinyManifest("extra")).bytes),
    writeFile(join(dir, "more", "extra", "weights.bin"), weights),
  ]);
  served = await testRelay({ site, models: [join(dir, "more")], name: "test relay", stun: ["stun:example.org:3478"] });
});
afterAll(async () => {
  await served.stop();
  await rm(dir, { recursive: true, force: true });
});

test("browsers revalidate the page, and no other site may frame it", async () => {
  const response = await fetch(url("/"));
  expect(await response.text()).toBe("<h1>page</h1>");
  expect(response.headers.get("content-type")).toMatch(/^text\/html/);
  expect(response.headers.get("cache-control")).toBe("no-cache");
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).toContain("'wasm-unsafe-eval'");
  expect(policy).toContain(`ws://localhost:${served.relay.port}`);
  expect(response.headers.get("access-control-allow-origin")).toBeNull();
});

test("any site may frame the widget and load its script", async () => {
  expect((await fetch(url("/widget.html"))).headers.get("content-security-policy")).toContain("frame-ancestors *");
  const script = await fetch(url("/widget.js"));
  expect(script.headers.get("access-control-allow-origin")).toBe("*");
  expect(script.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
});

test("the sandbox has no origin and no network", async () => {
  const policy = (await fetch(url("/sandbox.html"))).headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/^sandbox allow-scripts; default-src 'none';/);
  expect(policy).toContain("connect-src 'none'");
  expect(policy).not.toContain("self");
});

test("browsers keep assets with a hash for long, and get them compressed if they were built compressed", async () => {
  const response = await fetch(url("/assets/app-a1b2c3d4.js"), { headers: { "accept-encoding": "gzip" } });
  expect(await response.text()).toBe("let compressed;");
  expect(response.headers.get("content-type")).toMatch(/javascript/);
  expect(response.headers.get("vary")).toBe("accept-encoding");
  expect(response.headers.get("cache-control")).toContain("immutable");
  expect((await fetch(url("/assets/ort-a1b2c3d4.wasm"))).headers.get("content-type")).toBe("application/wasm");
});

/** The summary of a tiny model. */
const TINY = (name: string) => ({
  name,
  licence: "MIT",
  layerCount: 2,
  contextLength: 16,
  sizeBytes: 10,
  dtype: "fp32",
  chat: false,
  layerBytes: 1,
  edgeBytes: 1,
  cacheBytes: 2,
});

test("models are served by ranges, to any origin", async () => {
  const response = await fetch(url("/models/extra/weights.bin"), { headers: { range: "bytes=10-19" } });
  expect(response.status).toBe(206);
  expect(response.headers.get("content-range")).toBe("bytes 10-19/1000");
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(weights.subarray(10, 20));
  expect((await fetch(url("/models/extra/weights.bin"), { headers: { range: "bytes=5000-" } })).status).toBe(416);
  const preflight = await fetch(url("/models/extra/weights.bin"), { method: "OPTIONS" });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-headers")).toBe("range");
});

test("no file outside of the relay's folders is served", async () => {
  for (const path of ["/models/extra/..%2f..%2fsite/index.html", "/..%2f..%2f..%2fetc/passwd", "/models/nothing/manifest.cbor", "/.env"]) {
    expect((await fetch(url(path))).status).toBeGreaterThanOrEqual(400);
  }
});

test("the bootstrap says what a tab needs, with the address by which the tab came", async () => {
  const { relay } = served;
  const bootstrap: unknown = await (await fetch(`http://127.0.0.1:${relay.port}/api/bootstrap`)).json();
  expect(bootstrap).toEqual({
    protocolVersion: PROTOCOL_VERSION,
    name: "test relay",
    peerId: relay.peerId,
    addrs: [`/ip4/127.0.0.1/tcp/${relay.port}/ws/p2p/${relay.peerId}`],
    iceServers: ["stun:example.org:3478"],
    models: [
      { name: "extra", id: (await tinyManifest("extra")).id, manifest: "/models/extra/manifest.cbor", summary: TINY("extra") },
      { name: "bundled", id: (await tinyManifest("bundled")).id, manifest: "/models/bundled/manifest.cbor", summary: TINY("bundled") },
    ],
  });
  expect((await fetch(url("/models/extra/manifest.cbor"))).status).toBe(200);
});

test("tabs read what the relay writes", async () => {
  const [bootstrap, overview, health]: unknown[] = await Promise.all(
    ["/api/bootstrap", "/api/swarm", "/healthz"].map(async (path) => (await fetch(url(path))).json()),
  );
  expect(v.parse(Bootstrap, bootstrap).models).toHaveLength(2);
  expect(v.parse(SwarmOverview, overview).models).toHaveLength(2);
  expect(v.parse(Health, health).ok).toBe(true);
});

test("behind a TLS proxy on this machine the address is secure", async () => {
  const headers = { "x-forwarded-proto": "https", "x-forwarded-host": "relay.example" };
  const bootstrap: unknown = await (await fetch(url("/api/bootstrap"), { headers })).json();
  expect(bootstrap).toMatchObject({ addrs: [`/dns/relay.example/tcp/443/tls/ws/p2p/${served.relay.peerId}`] });
});

test.each([
  ["localhost:8787", "http", ["/dns/localhost/tcp/8787/ws/p2p/12D3"]],
  ["relay.example", "https", ["/dns/relay.example/tcp/443/tls/ws/p2p/12D3"]],
  ["[::1]:80", "http", ["/ip6/::1/tcp/80/ws/p2p/12D3"]],
  ["10.0.0.7:1", "http", ["/ip4/10.0.0.7/tcp/1/ws/p2p/12D3"]],
  ["a/b", "http", []],
  ["", "http", []],
])("the address of %s over %s", (host, protocol, wanted) => {
  expect(relayAddress(host, protocol, "12D3")).toEqual(wanted);
});

test("the relay describes its swarm and its health", async () => {
  expect(await (await fetch(url("/api/swarm"))).json()).toEqual({
    name: "test relay",
    revision: 0,
    model: { id: (await tinyManifest("extra")).id, ...TINY("extra") },
    models: [
      { id: (await tinyManifest("extra")).id, ...TINY("extra") },
      { id: (await tinyManifest("bundled")).id, ...TINY("bundled") },
    ],
    peers: [],
  });
  expect(await (await fetch(url("/healthz"))).json()).toMatchObject({ ok: true, peers: 0 });
});

test("a relay does not start with a manifest that it cannot read, and names the model", async () => {
  const broken = join(dir, "broken");
  await mkdir(broken);
  await writeFile(join(broken, "manifest.cbor"), "x");
  await expect(testRelay({ models: [broken] })).rejects.toMatchObject({ code: "MODEL_CORRUPT", message: expect.stringContaining(broken) });
});
