// A model that was added from a hub: the relay has only its manifest and small files, the hub has the weights.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { addModel } from "../../tools/model/add.ts";
import { findSource } from "../../tools/model/find-source.ts";
import { startHub } from "../../tools/hub/hub-server.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { makeConversationModel, promptOf } from "../support/conversation-model.ts";
import { greedyUnsplit } from "../support/unsplit.ts";

test("tabs lend and answer from the hub's bytes; if the hub is away, the page says what to do, and nothing is lost", async ({
  folder,
  startRelay,
  openTab,
}) => {
  const hub = await startHub();
  const { folder: model } = await makeConversationModel(path.join(folder, "export"));
  for (const name of ["model.onnx", "model.onnx.data"])
    hub.files.set(`org/tales/onnx/${name}`, new Uint8Array(await readFile(path.join(model, name))));
  for (const name of ["tokenizer.json", "tokenizer_config.json", "genai_config.json"])
    hub.files.set(`org/tales/${name}`, new Uint8Array(await readFile(path.join(model, name))));
  // In the hub's layout the ONNX file has a folder of its own.
  hub.files.delete("org/tales/genai_config.json");
  hub.files.set("org/tales/config.json", Buffer.from('{"max_position_embeddings": 512, "eos_token_id": 0}'));
  const to = path.join(folder, "models/tales");
  const source = await findSource({ target: "org/tales", hub: hub.url, revision: undefined, file: undefined });
  const { manifest } = await addModel({ source, to, keepWeights: false, given: {}, onProgress: () => {} });
  expect(manifest).toMatchObject({ name: "tales", contextLength: 512, dtype: "fp32", origin: { repository: "org/tales" } });
  const relay = await startRelay({ models: [path.join(folder, "models")] });

  hub.reset();
  const lender = await openTab(relay.url);
  expect(await lender.lend()).toBe("0-8");
  expect(hub.asked.every((line) => line.includes("onnx/model.onnx.data"))).toBe(true);
  expect(hub.asked.length).toBeGreaterThan(0);
  const visitor = await openTab(relay.url);
  const [expected] = await greedyUnsplit([promptOf("The moon")], 8);
  expect(await visitor.ask("The moon", { maxTokens: 8 })).toMatchObject({ status: "done", tokens: expected, route: ["0-8"] });

  await hub.stop();
  await lender.close();
  await expect.poll(() => relay.directory.swarm.peers).toEqual([]);
  const late = await openTab(relay.url);
  expect(await late.failToLend()).toMatch(/could not be fetched: .+ What was fetched before is kept\. Try again/);
  await expect(late.page.getByTestId("lend-start")).toHaveText(/Try again/);
});
