import t from 'tap';
import { findAbsent, type Placed } from '../../lib/workspace/absent-objects.ts';
import { MemoryStore } from '../helpers/memory-store.ts';

const { signal } = new AbortController();
const placed = (store: MemoryStore, key: string, mutable = true): Placed => ({
  artifact: { label: key, mutable, unpack: true },
  location: { store, key },
});

t.test('one listing tells of all mutable artifacts below a prefix which are not there', async t => {
  const store = new MemoryStore({ 'e/output.tar': Buffer.from('x') });
  const keys = ['e/output.tar', 'e/modeldir.tar', 'e/tb.tar'];
  const inputs = keys.map(key => placed(store, key));
  const isAbsent = findAbsent(inputs, signal);
  t.strictSame(await Promise.all(inputs.map(isAbsent)), [false, true, true]);
  t.strictSame(store.keys('list'), ['e/']);
});

t.test('a single one, and what must be there, is asked for itself', async t => {
  const store = new MemoryStore();
  const inputs = [placed(store, 'e/output.tar'), placed(store, 'f/a.tar', false), placed(store, 'f/b.tar', false)];
  const isAbsent = findAbsent(inputs, signal);
  t.strictSame(await Promise.all(inputs.map(isAbsent)), [false, false, false]);
  t.strictSame(store.calls, []);
});

t.test('a listing that fails, in its midst too, or goes on for long calls nothing absent', async t => {
  const failing = new MemoryStore();
  failing.script = () => {
    throw new Error('denied');
  };
  const cut = new MemoryStore();
  cut.list = async function* () {
    yield { key: 'e/other', sizeBytes: 1, etag: undefined };
    throw new Error('it goes on, but not where');
  };
  const many = new MemoryStore(Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`e/${i}`, Buffer.from('')])));
  for (const store of [failing, cut, many]) {
    const inputs = [placed(store, 'e/a.tar'), placed(store, 'e/b.tar')];
    const isAbsent = findAbsent(inputs, signal);
    t.strictSame(await Promise.all(inputs.map(isAbsent)), [false, false]);
  }
});
