/** The attributes that this runner adds to a message of a service that has attributes instead of headers. */
export const attributeNames = {
  attempt: 'studioml-attempt',
  history: 'studioml-history',
  unplacedSince: 'studioml-unplaced-since',
  buriedAt: 'studioml-buried-at',
  reason: 'studioml-reason',
  message: 'studioml-message',
  queue: 'studioml-queue',
  lease: 'studioml-lease',
} as const;
