// A peer that sends garbage over the real mesh: the frames are dropped and counted on the page, its links are ended,
// and the answers of others are unharmed.
import { chainTokens } from "../../src/inference/log/prefix-log.ts";
import { encodeFrame } from "../../src/protocol/frame.ts";
import { encodeLinkFrame } from "../../src/protocol/link-frames.ts";
import { HASH_BYTES } from "../../src/protocol/session-frames.ts";
import { PROTOCOL_VERSION, sessionProtocol } from "../../src/protocol/version.ts";
import { findLongAnswer } from "../support/long-answer.ts";
import { meshAddress } from "../../tools/browser/relay-swarm.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { makeVillain } from "../support/hostile/villain.ts";

const ROOT = new Uint8Array(HASH_BYTES).fill(7);
const SESSION = "0123456789abcdef0123456789abcdef";

test("garbage over the real mesh is dropped and counted, its streams are ended, and an answer that runs is unharmed", async ({
  openTab,
  relay,
}) => {
  const long = await findLongAnswer(300);
  const [first, second] = [await openTab(), await openTab()];
  await first.lend({ share: 0.1 });
  await second.lend({ share: 0.1 });
  await first.holds("0-4");
  // Session ids are no secret to the peers of a route: this villain knows every id that the page drew.
  const asking = await openTab(relay.url, (context) =>
    context.addInitScript(() => {
      const drawn: string[] = [];
      const draw = crypto.getRandomValues.bind(crypto);
      crypto.getRandomValues = (bytes) => {
        const filled = draw(bytes);
        if (filled instanceof Uint8Array && filled.length === 16)
          drawn.push(filled.reduce((hex, byte) => hex + byte.toString(16).padStart(2, "0"), ""));
        return filled;
      };
      Object.assign(globalThis, { drawn });
    }),
  );
  const villainTab = await openTab(`${relay.url}healthz`);
  const villain = await makeVillain(villainTab, await meshAddress(relay));

  const peers = relay.directory.swarm.peers;
  const target = peers.find((peer) => peer.serving[0]?.start === 0);
  const next = peers.find((peer) => peer.serving[0]?.start === 4);
  if (target === undefined || target.model === null || next === undefined) throw new Error("the swarm is not split");
  const protocol = sessionProtocol(target.model, { start: 0, end: 4 });
  const open = (session: string): Uint8Array =>
    encodeLinkFrame(
      encodeFrame({
        kind: "open",
        session,
        version: PROTOCOL_VERSION,
        model: target.model,
        start: 0,
        end: 4,
        previous: villain.peer,
        next: { peer: next.peer, end: 8 },
        root: ROOT,
        topK: 5,
        maxPositions: 50,
      }),
    );
  const step = (extra: object): Uint8Array =>
    encodeLinkFrame(
      encodeFrame(
        {
          kind: "step",
          session: SESSION,
          position: 0,
          count: 2,
          prefix: ROOT,
          chain: chainTokens(ROOT, [0, 0]),
          truncate: false,
          replay: false,
          logitRows: 1,
          timings: [],
          ...extra,
        },
        new Uint8Array(8),
      ),
    );

  await asking.startAsking(long.prompt, { maxTokens: 300 });
  const answer = asking.page.getByTestId("ask-answer");
  await expect(answer).toHaveAttribute("data-tokens", /^\d+(,\d+){2,}/);
  const drawn = await asking.page.evaluate(() => (globalThis as typeof globalThis & { readonly drawn: readonly string[] }).drawn);
  expect(drawn.length).toBeGreaterThan(0);

  const attacks: readonly (readonly [string, readonly Uint8Array[], string])[] = [
    ["a frame that claims 100 MB", [Uint8Array.of(0x80, 0x84, 0xaf, 0x5f, 1, 2, 3)], "FRAME_TOO_LARGE"],
    ["a header over the limit", [encodeLinkFrame(Uint8Array.of(0xff, 0xff, 0x7f, 1))], "FRAME_TOO_LARGE"],
    ["bytes that are no frame", [encodeLinkFrame(Uint8Array.of(1, 2, 3, 4, 5))], "FRAME_MALFORMED"],
    ["a step for a session that nobody opened", [step({})], "SESSION_UNKNOWN"],
    ["a step from the future", [open(SESSION), step({ position: 5 })], "POSITION_MISMATCH"],
    ["a step for another session than the link's", [open("ab".repeat(16)), step({ session: "f".repeat(32) })], "SESSION_FOREIGN"],
  ];
  for (const [what, records] of attacks) await test.step(what, () => villain.attack(target.peer, protocol, records));
  for (const session of drawn) await test.step(`a step into ${session}`, () => villain.attack(target.peer, protocol, [step({ session })]));
  await expect(answer).toHaveAttribute("data-status", "streaming");
  await expect(first.page.getByTestId("refused-frames")).toHaveText(String(attacks.length + drawn.length));
  // One of the ids is that of the running session.
  const codes = first.console.flatMap((line) => /refused a frame.* code: (\w+)/.exec(line)?.[1] ?? []);
  expect(codes.slice(0, attacks.length)).toEqual(attacks.map(([, , code]) => code));
  expect(codes.slice(attacks.length).toSorted()).toEqual(["SESSION_FOREIGN", ...drawn.slice(1).map(() => "SESSION_UNKNOWN")]);

  for (const tab of [first, second]) await tab.page.getByTestId("share-slider").fill("100");
  await expect(answer).toHaveAttribute("data-status", "done", { timeout: 60_000 });
  expect(await asking.answer()).toMatchObject({ tokens: long.tokens, route: ["0-4", "4-8"], problem: "" });
  await expect(second.page.getByTestId("refused-frames")).toHaveText("0");
});
