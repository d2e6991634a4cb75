// When the node is made, what a person's choices do to it, and what the page shows meanwhile.
import { describe, expect, it } from "vitest";
import type { FolderHandle, Node, NodeState } from "../../../src/node/face.ts";
import { abortable } from "../../../src/shared/abort.ts";
import { ManyhandsError } from "../../../src/shared/errors.ts";
import { asModelId, asPeerId } from "../../../src/shared/ids.ts";
import type { CodeWait } from "../../../src/ui/load-code.ts";
import { LocalStore, type TextStore } from "../../../src/ui/local-store.ts";
import { NodeController, type NodeControllerOptions } from "../../../src/ui/node-controller.ts";
import { UNKNOWN } from "../../../src/ui/overview.ts";

const STATE: NodeState = {
  self: asPeerId("12D3KooWme"),
  relay: { kind: "connected", name: "Lighthouse", retryInMs: undefined },
  models: [],
  standings: [],
  model: undefined,
  lend: { kind: "off" },
  share: 0.5,
  backendChoice: "auto",
  keepBytes: 1024 ** 3,
  swarm: [],
  gaps: [],
  servedTasks: { isOn: false, running: 0, done: 0, refused: 0, earnedMicro: 0 },
  served: { tokens: 0, sessions: 0, refusedFrames: 0 },
  credit: undefined,
  jobs: [],
  notices: [],
};

/** The verbs that these tests do not use. */
class NoTasks {
  distributeTask = (): Promise<never> => Promise.reject(new ManyhandsError("BAD_INPUT", "no tasks here"));
  join = this.distributeTask;
  waitForResult = this.distributeTask;
  keepModel = this.distributeTask;
  taskData = this.distributeTask;
  forgetTask = this.distributeTask;
  getBalance = this.distributeTask;
  watchParts = () => () => {};
  cancelTask(): void {}
  async *map(): AsyncGenerator<never> {}
}

/** A node that does at once what it is asked to do, and notes it. */
class ScriptedNode extends NoTasks implements Node {
  readonly calls: string[] = [];
  state = STATE;
  #listener: ((state: NodeState) => void) | undefined;

  subscribe(listener: (state: NodeState) => void): () => void {
    this.#listener = listener;
    return () => (this.#listener = undefined);
  }
  async lend(on: boolean): Promise<void> {
    this.calls.push(`lend ${on}`);
    this.#set({ lend: on ? { kind: "serving", span: { start: 0, end: 8 }, backend: "wasm", moving: undefined } : { kind: "off" } });
  }
  setShare(share: number): void {
    this.calls.push(`share ${share}`);
    this.#set({ share });
  }
  setBackend(choice: NodeState["backendChoice"]): void {
    this.calls.push(`backend ${choice}`);
    this.#set({ backendChoice: choice });
  }
  setKeepBytes(bytes: number): void {
    this.calls.push(`keep ${bytes}`);
  }
  mountFolder(model: string, folder: FolderHandle): void {
    this.calls.push(`folder ${folder.name} for ${model}`);
  }
  setLendModel(model: NodeState["models"][number]["id"] | undefined): void {
    this.calls.push(`lend model ${model}`);
  }
  async *generate(): AsyncGenerator<never> {}
  async stop(): Promise<void> {
    this.calls.push("stop");
  }
  #set(part: Partial<NodeState>): void {
    this.state = { ...this.state, ...part };
    this.#listener?.(this.state);
  }
}

function emptyStore(): LocalStore {
  const map = new Map<string, string>();
  const store: TextStore = {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, text) => void map.set(key, text),
    removeItem: (key) => void map.delete(key),
  };
  return new LocalStore(() => store);
}

/** A controller whose patience with the relay does not end. */
const controllerOf = (options: Partial<NodeControllerOptions> & Pick<NodeControllerOptions, "createNode">): NodeController =>
  new NodeController({
    localStore: emptyStore(),
    relay: "https://relay.example",
    clock: { sleep: (_, signal) => abortable(new Promise<never>(() => {}), signal) },
    ...options,
  });

describe("NodeController", () => {
  it("makes no node before consent, and remembers the consent but not the lending", async () => {
    const localStore = emptyStore();
    const node = new ScriptedNode();
    let made = 0;
    const createNode = async (): Promise<Node> => {
      made += 1;
      return node;
    };
    const controller = controllerOf({ localStore, createNode });
    await controller.lend(true);
    expect(made).toBe(0);
    await controller.agree();
    expect(made).toBe(1);
    expect(controller.view).toMatchObject({ consented: true, joined: true, lend: { kind: "serving" } });

    const reloaded = controllerOf({ localStore, createNode });
    expect(reloaded.view).toMatchObject({ consented: true, joined: false, lend: { kind: "off" } });
    await reloaded.withdrawConsent();
    expect(controllerOf({ localStore, createNode }).view.consented).toBe(false);
    expect(made).toBe(1);
  });

  it("passes on to the node what was chosen before it was made", async () => {
    const node = new ScriptedNode();
    const controller = controllerOf({ createNode: async () => node });
    controller.setShare(0.3);
    controller.setBackend("wasm");
    controller.setKeepBytes(5);
    controller.setLendModel(asModelId("bafyreitales"));
    const none = () => Promise.reject(new Error("there is nothing in it"));
    controller.mountFolder(asModelId("bafyreitales"), { name: "downloads", getDirectoryHandle: none, getFileHandle: none });
    expect(controller.view.folders.get(asModelId("bafyreitales"))?.name).toBe("downloads");
    await controller.agree();
    expect(node.calls).toEqual([
      "share 0.3",
      "backend wasm",
      "keep 5",
      "lend model bafyreitales",
      "folder downloads for bafyreitales",
      "lend true",
    ]);
    controller.setShare(7);
    await Promise.resolve();
    expect(node.calls.at(-1)).toBe("share 1");
  });

  it("does not lend if the switch was turned off while the node was made", async () => {
    const node = new ScriptedNode();
    const made = Promise.withResolvers<Node>();
    const controller = controllerOf({ createNode: () => made.promise });
    const agreed = controller.agree();
    expect(controller.view.lend.kind).toBe("joining");
    const off = controller.lend(false);
    expect(controller.view.lend.kind).toBe("off");
    made.resolve(node);
    await Promise.all([agreed, off]);
    expect(node.calls).not.toContain("lend true");
    expect(controller.view.lend.kind).toBe("off");
    await controller.lend(true);
    expect(node.calls.at(-1)).toBe("lend true");
  });

  it("shows why the node could not be made, and tries again only when asked to lend again", async () => {
    const node = new ScriptedNode();
    let tries = 0;
    const controller = controllerOf({
      createNode: async () => {
        tries += 1;
        if (tries === 1) throw new ManyhandsError("RELAY_UNREACHABLE", "The relay does not answer.");
        return node;
      },
    });
    await controller.agree();
    expect(controller.view.lend).toMatchObject({ kind: "failed", problem: { code: "RELAY_UNREACHABLE" } });
    await controller.nodeForPrompt();
    expect(node.calls).not.toContain("lend true");
    await controller.lend(true);
    expect(controller.view.lend.kind).toBe("serving");
  });

  it("shows that its code waits for the relay, and can be released meanwhile", async () => {
    const waiting = Promise.withResolvers<CodeWait>();
    let hurries = 0;
    const controller = controllerOf({
      hurry: () => (hurries += 1),
      createNode: (given) => {
        waiting.resolve(given);
        return abortable(new Promise<never>(() => {}), given.signal);
      },
    });
    const agreed = controller.agree();
    const { signal, onAway } = await waiting.promise;
    onAway(4000);
    expect(controller.view).toMatchObject({ relay: { kind: "lost", retryInMs: 4000 }, lend: { kind: "joining" } });
    expect(hurries).toBe(1);
    const asked = controller.nodeForPrompt().catch((error: unknown) => error);
    expect(hurries).toBe(2); // a person asks, so the relay is called at once
    await Promise.all([controller.release(), agreed, asked]);
    expect(signal.aborted).toBe(true);
    expect(controller.view).toMatchObject({ relay: { kind: "connecting" }, lend: { kind: "off" } });
    onAway(4000); // late: nobody waits for this node
    expect(controller.view.relay.kind).toBe("connecting");
  });

  it("says to a prompt that the relay is away, and keeps trying; it waits on if something else takes long", async () => {
    const made = Promise.withResolvers<Node>();
    const patience = Promise.withResolvers<void>();
    let away = (): void => {};
    const controller = controllerOf({
      clock: { sleep: () => patience.promise },
      createNode: ({ onAway }) => {
        away = () => onAway(4000);
        return made.promise;
      },
    });
    const asked = controller.nodeForPrompt();
    patience.resolve();
    away();
    await expect(asked).rejects.toMatchObject({
      code: "RELAY_UNREACHABLE",
      message: expect.stringMatching(/^The relay at https:\/\/relay\.example does not answer.*Your prompt is kept/) as string,
    });
    const node = new ScriptedNode();
    made.resolve(node);
    expect(await controller.nodeForPrompt()).toBe(node);
  });

  it("stops a node that was still being made when the page released it", async () => {
    const node = new ScriptedNode();
    const made = Promise.withResolvers<Node>();
    const controller = controllerOf({ createNode: () => made.promise });
    const agreed = controller.agree();
    const released = controller.release();
    made.resolve(node);
    await Promise.all([agreed, released]);
    expect(node.calls).toContain("stop");
    expect(node.calls).not.toContain("lend true");
    expect(controller.view).toMatchObject({ joined: false, lend: { kind: "off" } });
  });

  it("shows the relay's overview until the node knows more", () => {
    const controller = controllerOf({ createNode: async () => new ScriptedNode() });
    expect(controller.view).toMatchObject({ swarm: undefined, relay: { kind: "connecting" } });
    controller.setOverview({ ...UNKNOWN, relay: { kind: "lost", name: undefined, retryInMs: 3000 }, peers: [] });
    expect(controller.view).toMatchObject({ swarm: [], relay: { kind: "lost" } });
  });
});
