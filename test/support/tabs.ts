// Where tests find the tabs that benches drive too.
export * from "../../tools/browser/tabs.ts";
