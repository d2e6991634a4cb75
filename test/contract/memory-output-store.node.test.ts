// The contract of output stores over the one in memory.
import { MemoryOutputStore } from "../../src/inference/log/output-store.ts";
import { outputStoreContract } from "./output-store-contract.ts";

outputStoreContract(
  "MemoryOutputStore",
  () => Promise.resolve(new MemoryOutputStore()),
  () => {},
);
