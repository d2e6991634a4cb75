// The elements of the tasks' part, which a page defines when somebody opens it.
import { TaskDesk } from "./task-desk.ts";
import { TaskForm } from "./task-form.ts";
import { WorkItem } from "./work-item.ts";
import { WorkPicture } from "./work-picture.ts";

export const TASK_ELEMENTS = Object.freeze({
  "mh-work-picture": WorkPicture,
  "mh-work": WorkItem,
  "mh-task-form": TaskForm,
  "mh-task-desk": TaskDesk,
});
