import t from 'tap';
import { partDisk } from '../../lib/resources/part-disk.ts';

const nothing = { limitBytes: 0, heldBytes: 0 };
const gb = 1e9;

t.test('a tenth is for environments, the rest for experiments', t => {
  t.strictSame(partDisk({ usableBytes: 100 * gb, maxBytes: 0, environments: nothing }), {
    experimentsBytes: 90 * gb,
    environmentsBytes: 10 * gb,
  });
  t.end();
});

t.test('what environments and the cache hold is not taken off twice', t => {
  const parts = partDisk({
    usableBytes: 80 * gb,
    maxBytes: 0,
    environments: { limitBytes: 0, heldBytes: 5 * gb },
    cache: { limitBytes: 20 * gb, heldBytes: 15 * gb },
  });
  t.strictSame(parts, { experimentsBytes: 70 * gb, environmentsBytes: 10 * gb });
  t.end();
});

t.test('what environments and the cache may take counts in MAX_DISK', t => {
  const parts = partDisk({
    usableBytes: 500 * gb,
    maxBytes: 100 * gb,
    environments: { limitBytes: 15 * gb, heldBytes: 15 * gb },
    cache: { limitBytes: 20 * gb, heldBytes: 1 * gb },
  });
  t.strictSame(parts, { experimentsBytes: 65 * gb, environmentsBytes: 15 * gb });
  t.end();
});

t.test('MAX_DISK makes no disk, and nothing gets below zero', t => {
  t.equal(partDisk({ usableBytes: 10 * gb, maxBytes: 100 * gb, environments: nothing }).experimentsBytes, 9 * gb);
  const cache = { limitBytes: 20 * gb, heldBytes: 0 };
  t.equal(partDisk({ usableBytes: 500 * gb, maxBytes: 10 * gb, environments: nothing, cache }).experimentsBytes, 0);
  t.end();
});
