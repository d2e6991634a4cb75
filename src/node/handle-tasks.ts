// The part of the node's public face that only a form for scenes needs: apart, so that other pages do not load its schema.
export { Scene as SceneSchema } from "../tasks/render-scene.ts";
