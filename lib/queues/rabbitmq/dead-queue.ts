/** Where dead letters go that have no policy of their own. */
export const deadQueueOf = (name: string): string => `studioml.dead.${name}`;
