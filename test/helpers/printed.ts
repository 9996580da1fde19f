/** What a program printed, without what the runner says after it; a last line that had no newline has one then. */
export const printedIn = (output: string): string => output.replace(/(?:^runner: .*\n)+$(?![^])/m, '');
