// Runs inside a page of a test: a real volunteer, except that its results are wrong while `lie` is on.
import { LoopbackMesh } from "../../../src/mesh/memory/loopback-mesh.ts";
import { Libp2pMesh } from "../../../src/mesh/libp2p/libp2p-mesh.ts";
import { RelayDirectory } from "../../../src/mesh/libp2p/relay-directory.ts";
import { RtcMesh } from "../../../src/mesh/rtc/rtc-mesh.ts";
import { TabAccount } from "../../../src/node/credit/tab-account.ts";
import { Presence } from "../../../src/node/spans/presence.ts";
import { HeldSpans } from "../../../src/node/spans/held-spans.ts";
import { TaskClaims } from "../../../src/node/credit/task-claims.ts";
import { plainRunner } from "../../../src/node/tasks/plain-runner.ts";
import { TabVolunteer } from "../../../src/node/tasks/tab-volunteer.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { silentLog } from "../../../src/shared/log.ts";

let isLying = false;

/** Joins by the relay at this address and starts to compute tasks. Resolves with this peer's id. */
export async function join(relay: string): Promise<string> {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const [clock, log] = [systemClock, silentLog];
  const below = await Libp2pMesh.start({ seed, relayAddresses: () => Promise.resolve([relay]) });
  const mesh = new LoopbackMesh(new RtcMesh({ below, iceServers: [], clock, log }));
  const directory = new RelayDirectory({ relay: below, clock, random: Math.random, log });
  const credit = await TabAccount.start({
    seed,
    relay: below,
    shelf: { get: () => Promise.resolve(undefined) },
    clock,
    random: Math.random,
    log,
    onState: () => {},
  });
  const honest = plainRunner();
  const claims = new TaskClaims({
    signer: credit.signer,
    add: (receipt) => credit.keeper.add(receipt),
    now: Date.now,
    onReceipt: () => {},
  });
  const volunteer = new TabVolunteer({
    mesh,
    presence: new Presence(directory, "page"),
    inference: new HeldSpans(mesh),
    taskRunners: {
      runners: [
        {
          kinds: honest.kinds,
          run: async (task, context) => {
            const output = await honest.run(task, context);
            return isLying ? output.map((byte) => byte ^ 1) : output;
          },
        },
      ],
    },
    clock,
    share: () => 1,
    log,
    claim: claims.claim,
    witness: claims.witness,
    receipt: claims.receipt,
    onState: () => {},
  });
  volunteer.lend(true);
  return mesh.self;
}

export function lie(on: boolean): void {
  isLying = on;
}
