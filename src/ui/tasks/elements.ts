// The elements of the tasks panel, which the page fetches and defines once a person opens that panel.
import { JobsPanel } from "./jobs-panel.ts";
import { TaskForm } from "./forms/task-form.ts";
import { JobItem } from "./job-item.ts";
import { JobPicture } from "./job-picture.ts";

export const TASK_ELEMENTS = Object.freeze({
  "mh-job-picture": JobPicture,
  "mh-job": JobItem,
  "mh-task-form": TaskForm,
  "mh-jobs": JobsPanel,
});
