// The messages that negotiate a direct connection pass the relay sealed: it can neither read nor rewrite the
// fingerprint of a certificate.
import { expect, test } from "../support/relay-fixture.ts";

interface Seen {
  /** Every byte that went over this tab's sockets to and from the relay, as one character each. */
  wire: string;
}

/** The fingerprints of certificates in the descriptions that this page received. */
type FingerprintsGlobal = typeof globalThis & { fingerprints: Set<string> };

test("no fingerprint of a direct connection passes the relay in the clear", async ({ openTab, relay }) => {
  const open = async () => {
    const seen: Seen = { wire: "" };
    const tab = await openTab(relay.url, async (context) => {
      await context.addInitScript(() => {
        const fingerprints = new Set<string>();
        Object.assign(globalThis, { fingerprints });
        // oxlint-disable-next-line typescript/unbound-method -- it is applied to each connection
        const { setRemoteDescription } = RTCPeerConnection.prototype;
        Object.assign(RTCPeerConnection.prototype, {
          setRemoteDescription(this: RTCPeerConnection, ...given: [RTCSessionDescriptionInit]): unknown {
            for (const [, print] of (given[0].sdp ?? "").matchAll(/a=fingerprint:\S+ (\S+)/g)) fingerprints.add(print ?? "");
            return Reflect.apply(setRemoteDescription, this, given);
          },
        });
      });
      context.on("page", (page) =>
        page.on("websocket", (socket) => {
          const record = ({ payload }: { readonly payload: string | Buffer }): void => {
            seen.wire += typeof payload === "string" ? payload : payload.toString("latin1");
          };
          socket.on("framesent", record);
          socket.on("framereceived", record);
        }),
      );
    });
    return { tab, seen };
  };
  const [lending, beside] = [await open(), await open()];
  await lending.tab.lend();
  await beside.tab.lend();
  await lending.tab.holds("0-4");
  const asking = await open();
  expect((await asking.tab.ask("Once upon a time", { maxTokens: 8 })).tokens.length).toBe(8);

  const all = [lending, beside, asking];
  const known = new Set<string>();
  for (const { tab } of all)
    for (const print of await tab.page.evaluate(() => [...(globalThis as FingerprintsGlobal).fingerprints])) known.add(print.toLowerCase());
  expect(known.size).toBeGreaterThan(1); // direct connections were negotiated, and this test knows their fingerprints
  for (const { seen } of all) {
    expect(seen.wire.length).toBeGreaterThan(1000);
    const wire = seen.wire.toLowerCase();
    expect(wire).not.toContain("a=fingerprint");
    for (const print of known) {
      expect(wire).not.toContain(print);
      const bytes = String.fromCharCode(...print.split(":").map((byte) => Number.parseInt(byte, 16)));
      expect(seen.wire).not.toContain(bytes);
    }
  }
});
