/** Directories of one attempt. All absolute. Source: spec "Layout on disk". */
export interface Workspace {
  /** `<working-dir>/<run root>/experiments/<hash of key>.<n>` */
  readonly root: string;
  readonly workspace: string;
  readonly output: string;
  /** The file output/output. */
  readonly outputFile: string;
  readonly metadata: string;
  /** The runner's own files, never uploaded. */
  readonly runner: string;
  readonly tmp: string;
  /** `<working-dir>/<run root>`, STUDIOML_HOME. */
  readonly home: string;
  /** Whether it is left for a developer to look at when its attempt is over. */
  readonly stays: boolean;
  /** Where the artifact of this label lives. */
  directoryOf(label: string): string;
  /**
   * Make the directory of an artifact, where it isn't there yet.
   * Errors: those of the file system.
   */
  makeDirectory(label: string): void;
  /** Have this done before the directories are removed; never where they are kept for a developer. */
  beforeRemoval(work: () => void | Promise<void>): void;
  /**
   * To be called when everything is in place and its program comes next. Out: to be called when nothing of that runs any more;
   * what it left untouched serves other attempts from then on.
   */
  mark(): () => void;
}

/** An attempt's directories, and how they go. */
export interface OwnedWorkspace extends Workspace {
  /**
   * Remove them, whatever the experiment left in them. Links are removed, never followed.
   * Errors: those of the file system, where something could not be removed.
   */
  remove(): Promise<void>;
}
