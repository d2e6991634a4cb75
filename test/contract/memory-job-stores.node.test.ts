// The stores of jobs in memory keep their contract.
import { memoryJobStores } from "../../src/tasks/jobs/memory-job-stores.ts";
import { jobStoresContract } from "./job-stores-contract.ts";

jobStoresContract("MemoryJobStores", () => Promise.resolve(memoryJobStores()));
