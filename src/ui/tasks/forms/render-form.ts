// The form for a picture: one of the given scenes with its size and fineness, or the person's own scene as JSON.
import * as v from "valibot";
import { Scene as SceneSchema } from "../../../tasks/kinds/render/scene.ts";
import { type Filled, type KindForm, wrong, type Wrong } from "./form.ts";
import { readJson } from "./read-json.ts";
import { FINENESS, type Scene, type SceneName, SCENES, SIZES } from "./scenes.ts";

const isOwn = (values: Filled["values"]): boolean => values["scene"] === "own";
const isGiven = (values: Filled["values"]): boolean => !isOwn(values);

export const renderForm: KindForm<"render"> = {
  kind: "render",
  place: 10,
  title: "Render a picture",
  about: "A scene in three dimensions, drawn by following paths of light. It fills in square by square as tabs send theirs.",
  verb: "Render it",
  fields: [
    {
      kind: "choice",
      name: "scene",
      label: "Scene",
      options: [...Object.entries(SCENES).map(([name, { label }]) => [name, label] as const), ["own", "My own, as JSON"]],
    },
    {
      kind: "choice",
      name: "size",
      label: "Pixels",
      options: Object.entries(SIZES).map(([name, [width, height]]) => [name, `${width} × ${height}`] as const),
      when: isGiven,
    },
    {
      kind: "choice",
      name: "fineness",
      label: "Paths through each pixel",
      hint: "More of them: less grain, more work.",
      options: Object.entries(FINENESS).map(([name, paths]) => [name, `${paths}`] as const),
      when: isGiven,
    },
    {
      kind: "choice",
      name: "by",
      label: "Drawn by",
      hint: "Any tab: the same picture to the last bit, and squares are compared. Graphics cards: faster, and a little different; this tab checks some pixels of each square, and tabs without a card do not help.",
      options: [
        ["any", "Any tab"],
        ["card", "Graphics cards"],
      ],
    },
    {
      kind: "text",
      name: "json",
      label: "Scene as JSON",
      rows: 14,
      isCode: true,
      hint: "Spheres, triangles, materials (matt, metal, glass, lamp), lights, a camera and a sky; y points up.",
      when: isOwn,
    },
  ],
  start: { scene: "ring", size: "middle", fineness: "quick", by: "any", json: "" },
  examples: [],
  /** The person's own scene begins as a copy of the scene that was chosen before. */
  follow: (changed, values) => (isOwn(values) || changed === "json" ? values : { ...values, json: asJson(sceneOf(values)) }),
  read({ values }) {
    const kind = values["by"] === "card" ? "render_gpu" : "render";
    if (isGiven(values)) {
      const scene = sceneOf(values);
      return Promise.resolve({ kind, data: scene, label: `${SCENES[nameOf(values)].label}, ${scene.width} × ${scene.height}` });
    }
    const text = values["json"]?.trim() ?? "";
    const json = readJson(text === "" ? asJson(sceneOf(values)) : text, "json");
    if ("wrong" in json) return Promise.resolve(json);
    const read = readScene(json.value, "json");
    if ("wrong" in read) return Promise.resolve(read);
    return Promise.resolve({ kind, data: read.scene, label: `My scene, ${read.scene.width} × ${read.scene.height}` });
  },
};

const nameOf = ({ scene }: Filled["values"]): SceneName =>
  scene !== undefined && Object.hasOwn(SCENES, scene) ? (scene as SceneName) : "ring"; // just looked up

/** Returns the scene that the choices stand for. */
export function sceneOf(values: Filled["values"]): Scene {
  const [width, height] = SIZES[(values["size"] ?? "middle") as keyof typeof SIZES] ?? SIZES.middle;
  const samples = FINENESS[(values["fineness"] ?? "quick") as keyof typeof FINENESS] ?? FINENESS.quick;
  return SCENES[nameOf(values)].make({ width, height, samples });
}

/** Returns the scene as JSON with the numbers of one point, and each small object, on one line. */
export const asJson = (scene: Scene): string =>
  JSON.stringify(scene, undefined, 2).replace(/[[{][^[\]{}]*[\]}]/g, (flat) => flat.replace(/\s*\n\s*/g, " "));

function readScene(value: unknown, field: string): { readonly scene: Scene } | { readonly wrong: Wrong } {
  const read = v.safeParse(SceneSchema, value);
  if (read.success) return { scene: read.output };
  const [issue] = read.issues;
  const path = v.getDotPath(issue);
  if (issue.received === "undefined" && path !== null) return wrong(field, `${path} is missing.`);
  return wrong(field, path === null ? `${issue.message}.` : `At ${path}: ${issue.message}.`);
}

export const FORMS: readonly KindForm[] = [renderForm];
