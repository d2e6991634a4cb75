// The stores of tasks in memory keep their contract.
import { memoryJobStores } from "../../src/tasks/jobs/memory-job-stores.ts";
import { taskStoresContract } from "./job-stores-contract.ts";

taskStoresContract("MemoryTaskStores", () => Promise.resolve(memoryJobStores()));
