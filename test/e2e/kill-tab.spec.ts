// Each of the four ways to kill a tab removes that peer from the directory and no other, and the others still answer.
import { KILL_WAYS, killTab, rendererPid } from "../../tools/browser/kill-tab.ts";
import { peerOf } from "../../tools/browser/answer-tap.ts";
import { expect, test } from "../support/relay-fixture.ts";

for (const way of KILL_WAYS) {
  test(`a tab that is killed by "${way}" is gone, and the tab beside it stays`, async ({ openTab, relay }) => {
    const [stays, dies] = [await openTab(), await openTab()];
    await stays.lend();
    await dies.lend();
    await stays.holds("0-4");
    const [stayer, victim] = [await peerOf(stays), await peerOf(dies)];
    const pids = [await rendererPid(stays), await rendererPid(dies)];
    expect(pids[0]).not.toBe(pids[1]);
    const peers = (): string[] => relay.directory.swarm.peers.map(({ peer }) => peer);
    expect(peers().toSorted()).toEqual([stayer, victim].toSorted());

    await killTab(dies, way, pids[1]);
    await expect.poll(peers, { timeout: 2_000, intervals: [10] }).toEqual([stayer]);
    await stays.holds("0-8");
    expect(await stays.ask("The moon", { maxTokens: 2 })).toMatchObject({ status: "done", route: ["0-8"] });
  });
}
