// The part of the node's public face that only the tasks' part of a page needs: apart, so that others do not load its schemas.
export { drawSquare, type Picture, squaresOf } from "../tasks/kinds/render.ts";
export { Scene as SceneSchema } from "../tasks/render-scene.ts";
