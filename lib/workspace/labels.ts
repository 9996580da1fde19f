/** Labels that are no directories beside the workspace: images, and what the runner and the client tell each other by. */
const special = new Set(['_container', '_singularity', '_status', '_results']);

/** Whether an artifact of this label is a directory of the attempt. Source: spec "Special artifacts". */
export const isDirectoryLabel = (label: string): boolean => !special.has(label);
